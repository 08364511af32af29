"""Read actions and instructions in ovs-ofctl's words.

Accepts ``load`` as well as ``set_field``, ``strip_vlan`` as well as ``pop_vlan``, and names of fields as in
ovs-fields(7).  `text_action_write` is the other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from sdn_lab.openflow.action import (
    CONTROLLER,
    RESERVED,
    Action,
    Conjunction,
    Ct,
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
from sdn_lab.openflow.entry import Instructions
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.text_values import Complaint, number, of_port, read_masked
from sdn_lab.openflow.text_words import NAMES, Word, settable, split, subfield

_NOT_HERE = frozenset(
    """meter learn enqueue set_queue push_mpls pop_mpls note multipath bundle bundle_load fin_timeout sample
    clone encap decap check_pkt_larger exit stack push pop write_to set_tunnel nat""".split()  # noqa: SIM905
)
_M64 = (1 << 64) - 1


@dataclass(slots=True)
class _Reading:
    """What the words of one actions list add up to."""

    apply: list[Action] = field(default_factory=list)
    write: list[Action] = field(default_factory=list)
    clear: bool = False
    metadata: tuple[int, int] | None = None
    goto: int | None = None


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
    )


def read_actions(text: str, offset: int, complaints: list[Complaint]) -> tuple[Action, ...]:
    """Read a list of actions without instructions (a bucket's, an action set's)."""
    if text.strip() == "drop":
        return ()
    actions = []
    for word in _split(text, offset, complaints):
        try:
            actions.append(_action(word))
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
    elif name == "clear_actions":
        found.clear = True
    elif name == "write_metadata":
        value, slash, mask = argument.partition("/")
        mask_value = number(mask, 64, "write_metadata") if slash else _M64
        found.metadata = number(value, 64, "write_metadata") & mask_value, mask_value
    elif name in ("write_actions", "apply_actions"):
        start = word.offset + word.text.index("(") + 1
        actions = read_actions(argument, start, complaints)
        (found.write if name == "write_actions" else found.apply).extend(actions)
    else:
        if found.goto is not None or found.metadata is not None or found.clear or found.write:
            raise Complaint("FLW006", f"'{name}' stands behind an instruction", "actions come first")
        found.apply.append(_action(word))


def _parts(word: Word) -> tuple[str, str]:
    """Split ``name:argument`` or ``name(argument)``."""
    parsed = re.fullmatch(r"([A-Za-z_0-9]+)\s*(?::(.*)|\((.*)\))?", word.text, re.DOTALL)
    if parsed is None:
        raise Complaint(
            "FLW005", f"'{word.text}' is not an action", "an action is name, name:argument or name(...)"
        )
    name, colon, parenthesis = parsed.groups()
    return name, (colon if colon is not None else parenthesis or "").strip()


def _action(word: Word) -> Action:
    name, argument = _parts(word)
    reader = _READERS.get(name)
    if reader is not None:
        return reader(argument)
    if name.isdigit() and not argument:
        return Output(of_port=of_port(name))
    if name.upper() == "CONTROLLER":
        return _controller(argument)
    if name.upper() in RESERVED and not argument:
        return Output(of_port=RESERVED[name.upper()])
    if name in _NOT_HERE or name.startswith("mod_"):
        fix = (
            "write set_field:VALUE->FIELD"
            if name.startswith("mod_")
            else "remove it, or judge these tables elsewhere"
        )
        raise Complaint(
            "FLW011", f"action '{name}' is not supported here", "known to Open vSwitch, not modelled", fix
        )
    near = get_close_matches(name, [*_READERS, *RESERVED], n=1)
    fix = f"did you mean '{near[0]}'?" if near else "see ovs-actions(7)"
    raise Complaint("FLW005", f"'{name}' is not an action", "not an action that is known here", fix)


def _output(argument: str) -> Action:
    if argument.startswith("port="):
        parsed = re.fullmatch(r"port=(\w+),\s*max_len=(\d+)", argument)
        if parsed is None:
            raise Complaint("FLW006", f"output({argument}) cannot be read", "write output:PORT")
        return Output(of_port=of_port(parsed[1]), max_len=number(parsed[2], 16, "max_len"))
    if "[" in argument or argument in NAMES:
        return OutputField(source=subfield(argument))
    port = of_port(argument)
    return Output(of_port=port)


def _controller(argument: str) -> Action:
    if argument.startswith("max_len="):
        argument = argument.removeprefix("max_len=")
    return Output(of_port=CONTROLLER, max_len=number(argument, 16, "max_len") if argument else 0xFFFF)


def _set_field(argument: str) -> Action:
    value, arrow, name = argument.partition("->")
    row = settable(name.strip())
    if not arrow or row is None:
        raise Complaint("FLW006", f"'{name or argument}' is no field to set", "write set_field:VALUE->FIELD")
    if not row.writable:
        raise Complaint("FLW006", f"{row.name} cannot be set", "it is read-only")
    value_text, slash, mask_text = value.strip().partition("/")
    held, mask = read_masked(row, value_text)
    if slash:
        mask = read_masked(row, mask_text)[0]
    return SetField(field=row.name, value=held & mask, mask=mask)


def _load(argument: str) -> Action:
    value, arrow, target = argument.partition("->")
    if not arrow:
        raise Complaint("FLW006", f"load:{argument} cannot be read", "write load:VALUE->FIELD[FIRST..LAST]")
    place = subfield(target.strip())
    if not FIELDS[place.field].writable:
        raise Complaint("FLW006", f"{place.field} cannot be set", "it is read-only")
    mask = (1 << place.bits) - 1 << place.start
    return SetField(
        field=place.field, value=number(value.strip(), place.bits, "load") << place.start, mask=mask
    )


def _move(argument: str) -> Action:
    source, arrow, target = argument.partition("->")
    if not arrow:
        raise Complaint("FLW006", f"move:{argument} cannot be read", "write move:FIELD[..]->FIELD[..]")
    move = Move(source=subfield(source.strip()), target=subfield(target.strip()))
    if move.source.bits != move.target.bits:
        raise Complaint(
            "FLW006",
            f"move:{argument} copies {move.source.bits} bits to {move.target.bits}",
            "widths must be equal",
        )
    return move


def _resubmit(argument: str) -> Action:
    port, _, table = argument.partition(",")
    port, table = port.strip(), table.strip()
    in_port = None if port in ("", "in_port", "IN_PORT") else of_port(port)
    if table == "ct" or ",ct" in table.replace(" ", ""):
        raise Complaint(
            "FLW011", "resubmit with ct is not supported here", "the original tuple is not modelled"
        )
    return Resubmit(in_port=in_port, table=number(table, 8, "table") if table else None)


def _ct(argument: str) -> Action:
    commit = force = False
    table: int | None = None
    zone: int | Subfield = 0
    setters: list[SetField] = []
    for word in split(argument, 0):
        if word.text == "commit":
            commit = True
        elif word.text == "force":
            force = True
        elif word.key == "table":
            table = number(word.value or "", 8, "table")
        elif word.key == "zone":
            value = word.value or ""
            zone = number(value, 16, "zone") if value[:1].isdigit() else subfield(value)
        elif word.text.startswith("exec(") and word.text.endswith(")"):
            setters.extend(_exec(word.text[5:-1]))
        elif word.text.split("(")[0].split("=")[0] in ("nat", "alg", "timeout"):
            raise Complaint(
                "FLW011", f"ct({word.text}) is not supported here", "known to Open vSwitch, not modelled"
            )
        else:
            raise Complaint("FLW006", f"'{word.text}' is no part of ct()", "commit, force, table, zone, exec")
    if setters and not commit:
        raise Complaint("FLW006", "exec() in a ct() without commit", "Open vSwitch refuses it", "add commit")
    return Ct(commit=commit, force=force, table=table, zone=zone, exec_=tuple(setters))


def _exec(argument: str) -> list[SetField]:
    setters = []
    for word in split(argument, 0):
        action = _action(word)
        if not isinstance(action, SetField) or action.field not in ("ct_mark", "ct_label"):
            raise Complaint(
                "FLW006", f"'{word.text}' cannot stand in exec()", "it sets ct_mark and ct_label only"
            )
        setters.append(action)
    return setters


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


_READERS: Mapping[str, Callable[[str], Action]] = {
    "output": _output,
    "set_field": _set_field,
    "load": _load,
    "move": _move,
    "group": lambda argument: GroupAction(group_id=number(argument, 32, "group")),
    "push_vlan": lambda argument: PushVlan(eth_type=number(argument, 16, "push_vlan")),
    "pop_vlan": _bare("pop_vlan", PopVlan()),
    "strip_vlan": _bare("strip_vlan", PopVlan()),
    "dec_ttl": _bare("dec_ttl", DecTtl()),
    "resubmit": _resubmit,
    "ct": _ct,
    "ct_clear": _bare("ct_clear", CtClear()),
    "conjunction": _conjunction,
}
