"""What is wrong with a scenario file, gathered while it is read, so that all of it is said at once.

A *complaint* becomes a `Diagnostic` (the value that people see) when the source lines are known and
the places are in order.  One mistake inside an aliased tenant is found once for each tenant that uses
it; it is told once, and names the alias.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from sdn_lab.model.diagnostic import Diagnostic, InputError, Span
from sdn_lab.scenario.codes import CODES

LONGEST_LINE = 200  # a longer source line is not shown
LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was written, and the aliases through which it was reached."""

    span: Span
    aliases: tuple[Span, ...] = ()


@dataclass(slots=True)
class Complaints:
    """Diagnostics in the making.

    >>> complaints = Complaints()
    >>> complaints.add("SCN002", Place(span=Span(file="a.yaml", line=1, column=3)), "key 'x' is there twice")
    >>> complaints.finish(["x: 1"])[0].code
    'SCN002'
    """

    _found: list[Diagnostic] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(
        self,
        code: str,
        place: Place | None,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        also: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        """Note one problem.  *code* must be in the table."""
        assert code in CODES, code
        aliases = () if place is None else tuple(("used through the alias at", s) for s in place.aliases)
        what, why, fix = (re.sub(r"\s+", " ", text).strip() for text in (what, why, fix))
        self._found.append(
            Diagnostic(
                code=code,
                what=what,
                why=why,
                fix=fix,
                span=None if place is None else place.span,
                also=also + aliases,
            )
        )

    def finish(self, lines: list[str]) -> tuple[Diagnostic, ...]:
        """Return all of it, in the order of the file, with the source lines filled in."""
        merged: dict[object, Diagnostic] = {}
        for number, found in enumerate(self._found):
            through_alias = any(what.startswith("used through") for what, _ in found.also)
            key: object = (found.code, found.span)
            if key in merged and not through_alias and found.what != merged[key].what:
                key = number  # two different problems in one place
            known = merged.get(key)
            if known is None:
                merged[key] = found
            else:
                extra = tuple(a for a in found.also if a not in known.also)
                merged[key] = replace(known, also=known.also + extra)
        return tuple(
            replace(found, source_line=_line(found.span, lines))
            for found in sorted(merged.values(), key=_order)
        )

    def stop(self, lines: list[str]) -> None:
        """Raise InputError if there is anything to complain of."""
        if self._found:
            raise InputError(self.finish(lines))


def _order(found: Diagnostic) -> tuple[int, int, str, str]:
    span = found.span
    return (
        (0, 0, found.code, found.what) if span is None else (span.line, span.column, found.code, found.what)
    )


def _line(span: Span | None, lines: list[str]) -> str:
    if span is None or not 0 < span.line <= len(lines):
        return ""
    line = lines[span.line - 1].rstrip()
    fits = len(line) <= LONGEST_LINE and span.column <= len(line) + 1
    return line if fits else ""


def quote(value: object) -> str:
    """Write a value of a file as the user would: no Python repr, no endless text.

    >>> quote(None), quote(True), quote([1, 2]), quote("web")
    ('nothing', 'true', 'a list', "'web'")
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case int() | float():
            return str(value)
        case _:
            text = "".join(c if c.isprintable() else "?" for c in str(value))
            return f"'{text[:LONGEST_VALUE]}...'" if len(text) > LONGEST_VALUE else f"'{text}'"


def listed(words: list[str] | tuple[str, ...], none: str = "none") -> str:
    """Write names for a sentence: at most eight, then how many more."""
    shown = ", ".join(words[:8]) or none
    return f"{shown} and {len(words) - 8} more" if len(words) > 8 else shown
