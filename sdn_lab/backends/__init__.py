"""Where datapaths run.  To add a backend, write one and add its line to `BACKENDS`.

A line says where its class is; it is imported when somebody wants it, because a backend may need what is
not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sdn_lab.contracts import Backend
from sdn_lab.model.diagnostic import ApparatusError, Diagnostic, InputError

BACKENDS: Mapping[str, str] = {
    "sim": "sdn_lab.backends.sim.lab:SimBackend",
    "mininet": "sdn_lab.backends.mininet.backend:MininetBackend",
}
DATAPATHS: Mapping[str, tuple[str, ...]] = {"mininet": ("netdev", "system")}
"""Of the backends that have a choice: between what.  Its class takes the name; the first is the default."""


def load_backend(name: str, datapath: str | None = None) -> Backend:
    """Return the backend of this name.  Raises InputError, or ApparatusError if it cannot be imported.

    *datapath*: what forwards, where the backend has a choice.
    """
    if name not in BACKENDS:
        raise InputError(
            (
                Diagnostic(
                    code="BCK001",
                    what=f"there is no backend '{name}'",
                    fix=f"use one of: {', '.join(sorted(BACKENDS))}",
                ),
            )
        )
    check_datapath(name, datapath)
    module, _, factory = BACKENDS[name].partition(":")
    try:
        backend = getattr(import_module(module), factory)
        made: Backend = backend() if datapath is None else backend(datapath)
    except ImportError as fault:
        raise ApparatusError(f"the backend {name} needs what is not installed: {fault}") from fault
    return made


def check_datapath(name: str, datapath: str | None) -> None:
    """Raise InputError if the backend of this name cannot forward by *datapath*."""
    choice = DATAPATHS.get(name, ())
    if datapath is not None and datapath not in choice:
        has = f"has {' and '.join(choice)}" if choice else "has one of its own, and no choice"
        raise InputError(
            (
                Diagnostic(
                    code="BCK002",
                    what=f"the backend {name} has no datapath '{datapath}'",
                    why=f"it {has}",
                    fix="netdev and system are Open vSwitch's: use them with --backend mininet",
                ),
            )
        )
