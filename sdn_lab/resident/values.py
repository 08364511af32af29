"""The project's values as bytes, between the command and its resident.

A report has half a million parts in a few dozen types; pickle writes them without a line for each type.  Both
ends belong to one user (`address`, invariant 3), and still what is read may name only values: classes of
`sdn_lab.model`, options, addresses and paths.  Anything else in it is refused before it is made.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from sdn_lab.model.diagnostic import LabError

_PACKAGES = ("sdn_lab.model.", "sdn_lab.lab.options", "sdn_lab.lab.apply", "sdn_lab.lab.drift", "ipaddress")
_CLASSES = {("pathlib", "PosixPath"), ("builtins", "frozenset"), ("builtins", "set")}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _CLASSES and not module.startswith(_PACKAGES):
            raise pickle.UnpicklingError(f"{module}.{name} is no value of ours")
        found = super().find_class(module, name)
        if not isinstance(found, type):
            raise pickle.UnpicklingError(f"{module}.{name} is no class")
        return found


def dumps(value: Any) -> bytes:
    """Return a value as bytes."""
    return pickle.dumps(value, protocol=5)


def loads(data: bytes) -> Any:
    """Return the value again.  Raises LabError if it is none of ours, or of another version's."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, EOFError) as error:
        raise LabError(f"the lab said something that cannot be read: {error}") from error
