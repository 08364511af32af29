"""Find a controller app by name or path."""

from __future__ import annotations

from pathlib import Path

import sdn_lab
from sdn_lab.model.diagnostic import Diagnostic, InputError

DEFAULT = "overlay"
REPLAY = "replay"


def directory() -> Path:
    """Return where the shipped apps are: inside the wheel, or at the root of a checkout."""
    package = Path(sdn_lab.__file__).parent
    shipped = package / "_content" / "controllers"
    return shipped if shipped.is_dir() else package.parent / "controllers"


def names() -> tuple[str, ...]:
    """Return the names of the shipped apps, sorted."""
    return tuple(sorted(path.stem for path in directory().glob("[a-z]*.py")))


def find(name: str) -> Path:
    """Return the file of the app *name*: a shipped one by its name, any other by its path.

    Raises InputError, which says what there is.
    """
    shipped = directory() / f"{name}.py"
    if name.isidentifier() and shipped.is_file():
        return shipped
    path = Path(name).expanduser()
    if path.suffix == ".py" and path.is_file():
        return path.resolve()
    raise InputError(
        (
            Diagnostic(
                code="CTL001",
                what=f"there is no controller '{name}'",
                why=f"shipped with sdn_lab: {', '.join(names())}; else the path of a .py file with a Ryu app",
                fix="name one of these, or give a path that ends in .py",
            ),
        )
    )
