"""A software-defined network lab whose isolation is shown, not assumed.

Packages, in the order in which data flows through them (`docs/architecture.md`):
`scenario` -> `compiler` -> `control` -> `backends` -> `observe` -> `verify` -> `report`.
`model` and `openflow` hold the values that the stages exchange; `lab` runs the stages in order.

For notebooks and scripts the package has a few names of `sdn_lab.notebook` and `sdn_lab.lab`; each is
imported when it is first used:

    from sdn_lab import load, up
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_LAZY = {
    **dict.fromkeys(
        ("at", "entries", "load", "loads", "matrix", "run", "topology", "trace", "up"), "sdn_lab.notebook"
    ),
    **dict.fromkeys(("Lab", "Options"), "sdn_lab.lab"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'sdn_lab' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
