"""How to build and judge a lab, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdn_lab.control.apps import DEFAULT

METHODS = ("graph", "probe", "drift")


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.  *flows* is a folder of ``<hypervisor>.flows`` to load instead of compiling.

    *datapath*: what forwards, of the backends that have a choice (`backends.DATAPATHS`); None: the usual one.
    *mend*: put right what dies, instead of failing.  *ryu*: the controller framework, ``os-ken`` or ``ryu``.
    """

    backend: str = "sim"
    datapath: str | None = None
    methods: tuple[str, ...] = METHODS
    seed: int = 0
    controller: str = DEFAULT
    flows: Path | None = None
    pcap_dir: Path | None = None
    mend: bool = False
    ryu: str = "os-ken"
