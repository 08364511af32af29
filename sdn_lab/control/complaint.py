"""What to tell a person when a datapath does not hold what was pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdn_lab.control.lines import unpack_tables
from sdn_lab.model.diagnostic import Diagnostic, Span
from sdn_lab.openflow.entry import FlowEntry, Group, Tables
from sdn_lab.openflow.text import format_entry, format_group

_LISTED = 5
_FIX = "a bug in sdn_lab, not in the scenario; please report it with `sdn-lab run --report json=FILE`"


def rejected(
    dpid: str,
    name: str,
    wanted: Tables,
    sources: Mapping[str, Span],
    *,
    sent: int,
    refused: int,
    errors: Sequence[Mapping[str, Any]],
) -> str:
    """Return the diagnostic CTL004: a datapath refused operations."""
    origins = {entry.key: entry.origin for entry in wanted.entries}
    lines = []
    for error in errors[:_LISTED]:
        (subject,) = _all(unpack_tables(error["subject"]))
        lines.append(f"{error['names']}: {error['change']} {_text(subject)}")
        if isinstance(subject, FlowEntry):
            origin = origins.get(subject.key)
            if origin is not None:
                span = sources.get(origin.path)
                lines.append(f"  from: {origin.kind} {origin.path}" + (f" ({span})" if span else ""))
            needs = subject.match.missing_prerequisite()
            if needs is not None:
                lines.append(f"  match on {needs[0]} needs {needs[1]}")
    if refused > _LISTED:
        lines.append(f"... and {refused - _LISTED} more")
    return Diagnostic(
        code="CTL004",
        what=f"datapath {dpid} ({name}) rejected {refused} of {sent} operations",
        why="\n       ".join(lines),
        fix=_FIX,
    ).render()


def differs(name: str, lacking: Tables, surplus: Tables, differing: int) -> str:
    """Return the diagnostic CTL005: a dump is not what was pushed."""
    lines = [f"- {_text(s)}" for s in _all(lacking)][:_LISTED]
    lines += [f"+ {_text(s)}" for s in _all(surplus)][:_LISTED]
    if differing > len(lines):
        lines.append(f"... and {differing - len(lines)} more")
    return Diagnostic(
        code="CTL005",
        what=f"{name} holds something else than what was pushed and confirmed",
        why="\n       ".join(["(- pushed, not held; + held, not pushed)", *lines]),
        fix="if nothing else writes to this datapath, " + _FIX,
    ).render()


def _all(tables: Tables) -> list[FlowEntry | Group]:
    return [*tables.entries, *tables.groups]


def _text(subject: FlowEntry | Group) -> str:
    return format_entry(subject) if isinstance(subject, FlowEntry) else format_group(subject)
