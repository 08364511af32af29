"""What the datapaths say they hold, at one moment: the only thing that the verifier judges.

Datapaths are named by their hypervisor; the physical bridge of a hypervisor is
``<hypervisor>/underlay``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdn_lab.model.assignment import Assignment
from sdn_lab.openflow.entry import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapathState:
    """One bridge as dumped.  *fail_mode*: ``secure``, ``standalone`` or ``none``.

    *ports* maps an OpenFlow port to what is behind it: ``port:red/vm1``, ``tunnel``, ``local``,
    ``uplink``, or ``unknown:<interface>``.  *copies* are what sends traffic elsewhere beside all entries
    (``mirrors``, ``sflow``, ...): no entry shows them.  *altered* are settings of the bridge and its ports
    that are not as the backend built them (a tunnel's key, a controller of somebody else's): what is, what
    should be.
    """

    name: str
    tables: Tables
    fail_mode: str = "secure"
    ports: Mapping[int, str] = field(default_factory=dict)
    copies: tuple[str, ...] = ()
    altered: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All bridges of a lab.  *assignment* is as read back from the backend, not as asked for."""

    datapaths: Mapping[str, DatapathState]
    assignment: Assignment

    @property
    def hash(self) -> str:
        """A stable digest of everything that decides forwarding (counters and timers are not in it)."""
        digest = hashlib.sha256()
        for name in sorted(self.datapaths):
            state = self.datapaths[name]
            digest.update(repr((name, state.fail_mode, sorted(state.ports.items()), state.copies)).encode())
            if state.altered:
                digest.update(repr(state.altered).encode())
            digest.update(repr(state.tables.entries).encode())
            digest.update(repr(state.tables.groups).encode())
        digest.update(repr(sorted(self.assignment.datapaths.items())).encode())
        return digest.hexdigest()
