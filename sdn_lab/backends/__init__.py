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


def load_backend(name: str) -> Backend:
    """Return the backend of this name.  Raises InputError, or ApparatusError if it cannot be imported."""
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
    module, _, factory = BACKENDS[name].partition(":")
    try:
        made: Backend = getattr(import_module(module), factory)()
    except ImportError as fault:
        raise ApparatusError(f"the backend {name} needs what is not installed: {fault}") from fault
    return made
