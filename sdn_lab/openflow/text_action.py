"""Read actions and instructions in ovs-ofctl's words.

Accepts ``load`` as well as ``set_field``, ``strip_vlan`` as well as ``pop_vlan``, and names of fields as in
ovs-fields(7).  `text_action_ovs` reads what only Open vSwitch has; `text_action_write` is the other way.

To add an action, add its reader to a module's ``READERS``: called with what stands behind the name, it
returns the action, or several that do the same together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from sdn_lab.openflow import registers, text_action_ovs, text_labels
from sdn_lab.openflow.action import (
    RESERVED,
    Action,
    Conjunction,
    CtClear,
    DecTtl,
    GroupAction,
    Move,
    Output,
    OutputField,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    Subfield,
)
from sdn_lab.openflow.action_ovs import Clone, OutputTruncated
from sdn_lab.openflow.entry import Instructions
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.text_ct import read_ct
from sdn_lab.openflow.text_values import Complaint, number, of_port, read_mask, read_masked
from sdn_lab.openflow.text_words import NAMES, Word, settable, split, subfield, subfields

_NOT_HERE = frozenset(
    "write_to debug_recirc debug_slow ct_lb".split()  # noqa: SIM905
)
_ACTION = re.compile(r"([A-Za-z_0-9]+)\s*(?:[:=](.*)|\((.*)\)\s*(?:->(.*))?)?", re.DOTALL)
_M64 = (1 << 64) - 1


@dataclass(slots=True)
class _Reading:
    """What the words of one actions list add up to."""

    apply: list[Action] = field(default_factory=list)
    write: list[Action] = field(default_factory=list)
    clear: bool = False
    metadata: tuple[int, int] | None = None
    goto: int | None = None
    meter: int | None = None


def read_instructions(text: str, offset: int, complaints: list[Complaint]) -> Instructions:
    """Read what stands behind ``actions=``; what is wrong is added to *complaints*."""
    if text.strip() == "drop":
        return Instructions()
    found = _Reading()
    for word in _split(text, offset, complaints):
        try:
            _instruction(word, found, complaints)
        except Complaint as complaint:
            complaints.append(complaint.at(word.offset, len(word.text)))
    return Instructions(
        apply=tuple(found.apply),
        clear=found.clear,
        write=tuple(found.write),
        metadata=found.metadata,
        goto=found.goto,
        meter=found.meter,
    )


def read_actions(text: str, offset: int, complaints: list[Complaint]) -> tuple[Action, ...]:
    """Read a list of actions without instructions (a bucket's, an action set's)."""
    if text.strip() == "drop":
        return ()
    actions: list[Action] = []
    for word in _split(text, offset, complaints):
        try:
            actions.extend(_action(word, complaints))
        except Complaint as complaint:
            complaints.append(complaint.at(word.offset, len(word.text)))
    return tuple(actions)


def _split(text: str, offset: int, complaints: list[Complaint]) -> list[Word]:
    try:
        return split(text, offset)
    except Complaint as complaint:
        complaints.append(complaint)
        return []


def _instruction(word: Word, found: _Reading, complaints: list[Complaint]) -> None:
    name, argument = _parts(word)
    if name == "goto_table":
        found.goto = number(argument, 8, "goto_table")
    elif name == "meter":
        if found != _Reading():
            raise Complaint("FLW006", "meter stands behind an action", "it comes first, and once")
        found.meter = number(argument, 32, "meter")
    elif name == "clear_actions":
        found.clear = True
    elif name == "write_metadata":
        value, slash, mask = argument.partition("/")
        mask_value = number(mask, 64, "write_metadata") if slash else _M64
        found.metadata = number(value, 64, "write_metadata") & mask_value, mask_value
    elif name in ("write_actions", "apply_actions"):
        if "(" not in word.text:
            raise Complaint("FLW006", f"'{word.text}' lists no actions", f"for example {name}(output:1)")
        start = word.offset + word.text.index("(") + 1
        actions = read_actions(argument, start, complaints)
        (found.write if name == "write_actions" else found.apply).extend(actions)
    else:
        if found.goto is not None or found.metadata is not None or found.clear or found.write:
            raise Complaint("FLW006", f"'{name}' stands behind an instruction", "actions come first")
        found.apply.extend(_action(word, complaints))


def _parts(word: Word) -> tuple[str, str]:
    """Split ``name:argument``, ``name=argument`` or ``name(argument)``, ``->target`` behind it or not."""
    parsed = _ACTION.fullmatch(word.text)
    if parsed is None:
        raise Complaint(
            "FLW005", f"'{word.text}' is not an action", "an action is name, name:argument or name(...)"
        )
    name, colon, parenthesis, target = parsed.groups()
    if target is not None:
        return name.lower(), f"{parenthesis.strip()}->{target.strip()}"
    return name.lower(), (colon if colon is not None else parenthesis or "").strip()


def _action(word: Word, complaints: list[Complaint]) -> Sequence[Action]:
    name, argument = _parts(word)
    if name == "clone":
        start = word.offset + word.text.index("(") + 1 if "(" in word.text else word.offset
        return (Clone(actions=read_actions(argument, start, complaints)),)
    reader = READERS.get(name)
    if reader is not None:
        read = reader(argument)
        return read if isinstance(read, Sequence) else (read,)
    if name.isdigit() and not argument:
        return (Output(of_port=of_port(name)),)
    if name.upper() in RESERVED and not argument:
        return (Output(of_port=RESERVED[name.upper()]),)
    if name in _NOT_HERE:
        raise Complaint(
            "FLW011",
            f"action '{name}' is not supported here",
            "known to Open vSwitch, not modelled",
            "remove it, or judge these tables elsewhere",
        )
    near = get_close_matches(name, [*READERS, *RESERVED], n=1)
    fix = f"did you mean '{near[0]}'?" if near else "see ovs-actions(7)"
    raise Complaint("FLW005", f"'{name}' is not an action", "not an action that is known here", fix)


def _output(argument: str) -> Action:
    if argument.startswith("port="):
        parsed = re.fullmatch(r"port=(\w+),\s*max_len=(\d+)", argument)
        if parsed is None:
            raise Complaint("FLW006", f"output({argument}) cannot be read", "write output:PORT")
        return OutputTruncated(of_port=of_port(parsed[1]), max_len=number(parsed[2], 32, "max_len"))
    if "[" in argument or argument in NAMES:
        return OutputField(source=subfield(argument))
    return Output(of_port=of_port(argument))


def _set_field(argument: str) -> Action | Sequence[Action]:
    value, arrow, name = argument.partition("->")
    name = name.strip()
    if arrow and name in registers.NAMES:
        return _set_wide(registers.NAMES[name], value.strip())
    row = settable(name)
    if not arrow or row is None:
        raise Complaint("FLW006", f"'{name or argument}' is no field to set", "write set_field:VALUE->FIELD")
    if not row.writable:
        raise Complaint("FLW006", f"{row.name} cannot be set", "it is read-only")
    value_text, slash, mask_text = value.strip().partition("/")
    held, mask = read_masked(row, value_text)
    if slash:
        mask = read_mask(row, value, mask_text)
    return SetField(field=row.name, value=held & mask, mask=mask)


def _set_wide(name: str, text: str) -> Sequence[Action]:
    bits = registers.WIDE[name][1]
    value_text, slash, mask_text = text.partition("/")
    value = number(value_text, bits, name)
    mask = number(mask_text, bits, name) if slash else (1 << bits) - 1
    return [SetField(field=part, value=v, mask=m) for part, v, m in registers.tests(name, value, mask)]


def _load(argument: str) -> Action | Sequence[Action]:
    value, arrow, target = argument.partition("->")
    if not arrow:
        raise Complaint("FLW006", f"load:{argument} cannot be read", "write load:VALUE->FIELD[FIRST..LAST]")
    places = subfields(target.strip())
    _check_writable(places)
    bits = sum(place.bits for place in places)
    held = number(value.strip(), bits, "load")
    return [
        registers.write_to(place, held >> low & (1 << place.bits) - 1)
        for place, low in registers.slices(bits, places)
    ]


def _check_writable(places: Sequence[Subfield]) -> None:
    for place in places:
        if not FIELDS[place.field].writable:
            raise Complaint("FLW006", f"{place.field} cannot be set", "it is read-only")


def _move(argument: str) -> Action | Sequence[Action]:
    source, arrow, target = argument.partition("->")
    if not arrow:
        raise Complaint("FLW006", f"move:{argument} cannot be read", "write move:FIELD[..]->FIELD[..]")
    sources, targets = subfields(source.strip()), subfields(target.strip())
    given, taken = sum(part.bits for part in sources), sum(part.bits for part in targets)
    if given != taken:
        raise Complaint("FLW006", f"move:{argument} copies {given} bits to {taken}", "widths must be equal")
    _check_writable(targets)
    moves = [Move(source=a, target=b) for a, b in registers.paired(sources, targets)]
    written: set[str] = set()
    for one in moves:
        if one.source.field in written:
            raise Complaint("FLW011", f"move:{argument}: the registers overlap", "not supported here")
        written.add(one.target.field)
    return moves


def _resubmit(argument: str) -> Action:
    port, _, table = argument.partition(",")
    table, _, last = table.partition(",")
    port, table, last = port.strip(), table.strip(), last.strip()
    if last not in ("", "ct"):
        raise Complaint("FLW006", f"'{last}' is no part of resubmit", "write resubmit(PORT,TABLE,ct)")
    in_port = None if port in ("", "in_port", "IN_PORT") else of_port(port)
    return Resubmit(in_port=in_port, table=number(table, 8, "table") if table else None, ct=last == "ct")


def _ct(argument: str) -> Action:
    return read_ct(argument, lambda word: _action(word, []))


def _dec_ttl(argument: str) -> Action:
    ids = tuple(number(word.text, 16, "a controller's id") for word in split(argument, 0))
    return DecTtl(controllers=ids) if ids else DecTtl()


def _conjunction(argument: str) -> Action:
    parsed = re.fullmatch(r"(\w+)\s*,\s*(\d+)/(\d+)", argument)
    if parsed is None or not 1 <= int(parsed[2]) <= int(parsed[3]) <= 64 or int(parsed[3]) < 2:
        raise Complaint(
            "FLW006", f"conjunction({argument}) cannot be read", "write conjunction(ID,K/N), K from 1"
        )
    return Conjunction(
        id=number(parsed[1], 32, "conjunction"), clause=int(parsed[2]), n_clauses=int(parsed[3])
    )


def _bare(name: str, action: Action) -> Callable[[str], Action]:
    def read(argument: str) -> Action:
        if argument:
            raise Complaint("FLW006", f"{name} takes no argument here", f"write {name}")
        return action

    return read


READERS: Mapping[str, Callable[[str], Action | Sequence[Action]]] = {
    **text_action_ovs.READERS,
    **text_labels.READERS,
    "output": _output,
    "set_field": _set_field,
    "load": _load,
    "move": _move,
    "group": lambda argument: GroupAction(group_id=number(argument, 32, "group")),
    "push_vlan": lambda argument: PushVlan(eth_type=number(argument, 16, "push_vlan")),
    "pop_vlan": _bare("pop_vlan", PopVlan()),
    "strip_vlan": _bare("strip_vlan", PopVlan()),
    "dec_ttl": _dec_ttl,
    "resubmit": _resubmit,
    "ct": _ct,
    "ct_clear": _bare("ct_clear", CtClear()),
    "conjunction": _conjunction,
}
