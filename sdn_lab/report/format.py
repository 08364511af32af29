"""What every report format is: text made from a report, for a file or a stream.

Names in a report come from files that others wrote.  `clean` makes sure that none of them moves a
terminal's cursor, ends an XML document or turns the reading direction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, TextIO

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report


class Format(ABC):
    """A `contracts.Reporter` that can also print."""

    name: ClassVar[str]

    @abstractmethod
    def render(self, report: Report, scenario: Scenario | None) -> str:
        """Return the whole report as text, ending in a newline."""

    def write(self, report: Report, scenario: Scenario | None, path: Path) -> None:
        """Write the report to a file, in UTF-8."""
        path.write_text(self.render(report, scenario), encoding="utf-8")

    def print(self, report: Report, scenario: Scenario | None, stream: TextIO) -> None:
        """Write the report to an open stream."""
        stream.write(self.render(report, scenario))


def clean(text: str) -> str:
    """Escape what is not printable: control characters, ANSI sequences, direction marks, surrogates.

    >>> clean("red" + chr(27) + "[2J") == "red" + chr(92) + "x1b[2J"
    True
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii") for c in text
    )
