"""Flow tables as ovs-ofctl text, both ways, strictly.

What
----
`parse_flows` reads what people write for ``ovs-ofctl add-flows`` and what ``dump-flows`` prints;
`format_entry` writes the latter.  `parse_groups` and `format_groups` do the same for groups.

Where it sits
-------------
Reads and writes: `entry` (rows), by way of `text_match`, `text_action`, `text_values`.
Used by:          ``compile -o``, ``run --flows``, ``prove``, reports (a flow entry is shown in these words).

Invariants
----------
1.  ``parse(format(x)) == x``, and real Open vSwitch's dump of x, loaded, parses to x
    (`tests/differential/test_interpret_text.py`).  Counters, ages and ``reset_counts`` say nothing of what an
    entry does, and are read over.
2.  An unknown word is an error with its line and column, never ignored; all errors of a file come at once.

Codes: FLW001 unknown field, 002 bad value, 003 bad mask, 004 prerequisite missing, 005 unknown action, 006
bad action, 007 no actions, 008 said twice, 009 bad word of a group, 010 matches nothing, 011 not supported
here, 012 entry or group twice, 013 goto not forward.

>>> [entry] = parse_flows("priority=100,tcp,tp_dst=80,actions=output:2", "example")
>>> format_entry(entry)
'table=0, priority=100,tcp,tp_dst=80 actions=output:2'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from sdn_lab.model.diagnostic import Diagnostic, InputError, Span
from sdn_lab.openflow.action import SetField
from sdn_lab.openflow.entry import FlowEntry, Group, Instructions, Origin, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text_action import read_instructions
from sdn_lab.openflow.text_action_write import write_instructions
from sdn_lab.openflow.text_group import format_group, read_group
from sdn_lab.openflow.text_match import MatchReader, write_match
from sdn_lab.openflow.text_values import Complaint, number
from sdn_lab.openflow.text_words import ACTIONS as _ACTIONS
from sdn_lab.openflow.text_words import WORD as _WORD
from sdn_lab.openflow.text_words import Word

__all__ = [
    "DEFAULT_PRIORITY",
    "FLAGS",
    "format_entry",
    "format_group",
    "format_groups",
    "format_tables",
    "parse_flows",
    "parse_groups",
    "sort_entries",
]

DEFAULT_PRIORITY = 32768
FLAGS = {"send_flow_rem": 1, "check_overlap": 2, "no_packet_counts": 8, "no_byte_counts": 16}
_NUMBERS = {"table": 8, "priority": 16, "cookie": 64, "idle_timeout": 16, "hard_timeout": 16}
_TRANSPORT = {6: "tcp", 17: "udp", 132: "sctp"}
_READ_OVER = frozenset(
    """duration n_packets n_bytes idle_age hard_age importance reset_counts out_port out_group
    n_offload_packets n_offload_bytes allow_hidden_fields""".split()  # noqa: SIM905
)
_HEADER = re.compile(r"\s*(OFPST_|NXST_|OFPT_)[A-Z_]+ (reply|request).*")


def parse_flows(text: str, file: str = "<text>") -> tuple[FlowEntry, ...]:
    """Read flow entries, one a line, sorted as in a table.  Raises InputError with every diagnostic."""
    diagnostics: list[Diagnostic] = []
    entries: list[FlowEntry] = []
    seen: dict[tuple[int, int, Match], int] = {}
    for line_number, line in _lines(text):
        complaints: list[Complaint] = []
        entry = _entry(line, complaints)
        if not complaints:
            first = seen.setdefault(entry.key, line_number)
            if first != line_number:
                what = f"the same entry is in line {first}"
                why = "one table, priority and match: the later would replace the earlier"
                complaints.append(Complaint("FLW012", what, why, "remove one", length=len(line.strip())))
            entries.append(entry)
        diagnostics.extend(_diagnostic(c, file, line_number, line) for c in complaints)
    _refuse(diagnostics)
    return sort_entries(entries)


def parse_groups(text: str, file: str = "<text>") -> tuple[Group, ...]:
    """Read groups, one a line.  Raises InputError with every diagnostic."""
    diagnostics: list[Diagnostic] = []
    groups: dict[int, Group] = {}
    for line_number, line in _lines(text):
        complaints: list[Complaint] = []
        group = read_group(line, complaints)
        if group is not None and not complaints:
            if group.group_id in groups:
                complaints.append(
                    Complaint("FLW012", f"group {group.group_id} is there twice", "", "remove one")
                )
            groups[group.group_id] = group
        diagnostics.extend(_diagnostic(c, file, line_number, line) for c in complaints)
    _refuse(diagnostics)
    return tuple(groups[group_id] for group_id in sorted(groups))


def sort_entries(entries: Iterable[FlowEntry]) -> tuple[FlowEntry, ...]:
    """Return entries in the order of `Tables`: table, priority from high to low, text."""
    return tuple(sorted(entries, key=lambda e: (e.table_id, -e.priority, write_match(e.match))))


def format_entry(entry: FlowEntry) -> str:
    """Write one entry in the style of ``dump-flows``, without counters; ``ovs-ofctl add-flow`` takes it."""
    words = [f"cookie=0x{entry.cookie:x}"] if entry.cookie else []
    words.append(f"table={entry.table_id}")
    words.extend(
        f"{name}={value}"
        for name, value in (("idle_timeout", entry.idle_timeout), ("hard_timeout", entry.hard_timeout))
        if value
    )
    words.extend(name for name, bit in FLAGS.items() if entry.flags & bit)
    match = write_match(entry.match)
    words.append(f"priority={entry.priority}" + ("," + match if match else ""))
    return f"{', '.join(words)} actions={write_instructions(entry.instructions)}"


def format_groups(groups: Iterable[Group]) -> str:
    """Write groups, one a line."""
    return "".join(format_group(group) + "\n" for group in groups)


def format_tables(tables: Tables, explain: Callable[[int], Origin | None] | None = None) -> str:
    """Write all entries, one a line, sorted; *explain* turns a cookie into a comment above its entries."""
    lines: list[str] = []
    last: str | None = None
    for entry in sort_entries(tables.entries):
        origin = entry.origin or (explain(entry.cookie) if explain is not None else None)
        remark = f"table {entry.table_id}, {origin}" if explain is not None and origin is not None else None
        if remark is not None and remark != last:
            lines.append(f"# {remark}")
        last = remark
        lines.append(format_entry(entry))
    return "".join(line + "\n" for line in lines)


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Give the lines that say something, without comments; columns stay what they are."""
    for line_number, line in enumerate(text.splitlines(), start=1):
        kept = line.partition("#")[0].rstrip()
        if kept.strip() and not _HEADER.fullmatch(kept):
            yield line_number, kept


def _refuse(diagnostics: list[Diagnostic]) -> None:
    if diagnostics:

        def place(diagnostic: Diagnostic) -> tuple[int, int]:
            span = diagnostic.span
            return (span.line, span.column) if span is not None else (0, 0)

        raise InputError(tuple(sorted(diagnostics, key=place)))


def _diagnostic(complaint: Complaint, file: str, line_number: int, line: str) -> Diagnostic:
    return Diagnostic(
        code=complaint.code,
        what=complaint.what,
        why=complaint.why,
        fix=complaint.fix,
        span=Span(file=file, line=line_number, column=complaint.offset + 1, length=complaint.length),
        source_line=line,
    )


def _entry(line: str, complaints: list[Complaint]) -> FlowEntry:
    values = {"table": 0, "priority": DEFAULT_PRIORITY, "cookie": 0, "idle_timeout": 0, "hard_timeout": 0}
    flags = 0
    cut = _ACTIONS.search(line)
    reader = MatchReader()
    said: set[str] = set()
    for found in _WORD.finditer(line[: cut.start()] if cut else line):
        word = Word(found[0], found.start())
        if word.key in _NUMBERS and word.value is not None:
            try:
                if word.key in said:
                    raise Complaint("FLW008", f"{word.key} is said twice", "say it once")  # noqa: TRY301
                values[word.key] = number(word.value, _NUMBERS[word.key], word.key)
            except Complaint as complaint:
                complaints.append(complaint.at(word.offset, len(word.text)))
            said.add(word.key)
        elif word.key in FLAGS and word.value is None:
            flags |= FLAGS[word.key]
        elif word.key not in _READ_OVER:
            reader.add(word)
    match = reader.finish()
    complaints.extend(reader.complaints)
    if not reader.complaints:
        missing = match.missing_prerequisite()
        if missing is not None:
            what = f"{missing[0]} needs {missing[1]}"
            complaints.append(
                Complaint("FLW004", what, "a match must test what the field depends on").at(
                    len(line) - len(line.lstrip()), len(line[: cut.start()].strip() if cut else line.strip())
                )
            )
    if cut is None:
        what, fix = "this entry has no actions", "end it with actions=..., or actions=drop"
        complaints.append(Complaint("FLW007", what, "", fix).at(len(line) - 1, 1))
        return FlowEntry()
    instructions = read_instructions(line[cut.end() :], cut.end(), complaints)
    if "mod_tp_" in line:
        instructions = _of_protocol(instructions, match.exact("ip_proto"))
    _check_goto(instructions, values["table"], line, complaints)
    return FlowEntry(
        table_id=values["table"],
        priority=values["priority"],
        match=match,
        instructions=instructions,
        cookie=values["cookie"],
        idle_timeout=values["idle_timeout"],
        hard_timeout=values["hard_timeout"],
        flags=flags,
    )


def _of_protocol(instructions: Instructions, proto: int | None) -> Instructions:
    """Leave out the writes to ports that an entry for one protocol never does (`text_action_ovs`)."""
    others = tuple(f"{name}_" for number, name in _TRANSPORT.items() if proto is not None and number != proto)
    kept = (a for a in instructions.apply if not (isinstance(a, SetField) and a.field.startswith(others)))
    return replace(instructions, apply=tuple(kept)) if others else instructions


def _check_goto(instructions: Instructions, table: int, line: str, complaints: list[Complaint]) -> None:
    if instructions.goto is not None and instructions.goto <= table:
        what = f"goto_table:{instructions.goto} from table {table} does not lead forward"
        complaint = Complaint("FLW013", what, f"it must be greater than {table}")
        at = line.index("goto_table")
        complaints.append(complaint.at(at, len(line) - at))
