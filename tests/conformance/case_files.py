"""Where the conformance cases are, and the reading of them.

They are not part of the project: ``SDN_LAB_SHARED`` names the folder that holds ``cases/``, by default the
one beside the project's; ``--cases`` names the folder of the files themselves.
"""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path


def folder() -> Path:
    """Return where the cases are expected."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("SDN_LAB_SHARED", beside)) / "cases"


class NoCasesError(Exception):
    """A file of cases is not there; the text is for a person."""


def read(path: Path) -> list[dict]:
    """Return the records of one file, one JSON object a line.  Raises NoCasesError."""
    if not path.exists():
        raise NoCasesError(
            f"the cases are not there: {path} (name their folder with --cases or SDN_LAB_SHARED)"
        )
    with lzma.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]
