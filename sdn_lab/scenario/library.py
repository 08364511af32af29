"""The scenarios that ship: found by name, wherever sdn_lab is installed.

A wheel carries them as ``sdn_lab/_content/topologies``; a checkout has them in ``topologies`` at its
root.  Nothing is registered: a file that is there has a name, be it YAML or a generator.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from sdn_lab.model.diagnostic import InputError
from sdn_lab.scenario.complaint import Complaints, listed, quote
from sdn_lab.scenario.generator import GENERATOR

_PACKAGE = Path(__file__).resolve().parent.parent
SUFFIXES = (".yaml", ".yml", GENERATOR)


def shipped() -> list[str]:
    """Return the names of the scenarios that ship, sorted."""
    return sorted(path.stem for path in _folder().iterdir() if path.suffix in SUFFIXES)


def find(name_or_path: str) -> Path:
    """Return the file that is meant: a path, or the bare name of a scenario that ships.

    What looks like a path (a slash or a suffix) is one, whether it exists or not.  Raises InputError.
    """
    path = Path(name_or_path)
    if path.suffix in SUFFIXES or "/" in name_or_path:
        return path
    names = shipped()
    if name_or_path in names:
        return next(p for p in _folder().iterdir() if p.stem == name_or_path and p.suffix in SUFFIXES)
    close = get_close_matches(name_or_path, names, n=1)
    complaints = Complaints()
    complaints.add(
        "SCN044",
        None,
        f"there is no scenario {quote(name_or_path)}",
        why=f"with sdn-lab ship {listed(names)}",
        fix=f"did you mean '{close[0]}'?" if close else "name one of these, or a file: ./mine.yaml",
    )
    raise InputError(complaints.finish([]))


def _folder() -> Path:
    inside = _PACKAGE / "_content" / "topologies"
    return inside if inside.is_dir() else _PACKAGE.parent / "topologies"
