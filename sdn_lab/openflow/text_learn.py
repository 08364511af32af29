"""``learn(...)`` in ovs-ofctl's words, both ways.

A piece is ``FIELD[..]=FIELD[..]`` or ``FIELD[..]=VALUE`` (what the new entry matches), ``FIELD[..]`` alone
(the same on both sides), ``load:...->FIELD[..]`` (what it writes) or ``output:FIELD[..]``.  A piece over a
wide register is read as several over the registers that it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.action_ovs import Learn, LearnSpec
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.text_values import SET_NAMES, Complaint, number, read_value, write_value
from sdn_lab.openflow.text_words import BY_PROTOCOL, Word, settable, split, subfield, subfields

_NUMBERS = {
    "table": 8,
    "priority": 16,
    "idle_timeout": 16,
    "hard_timeout": 16,
    "fin_idle_timeout": 16,
    "fin_hard_timeout": 16,
    "cookie": 64,
    "limit": 32,
}
_SHORT = {"ip_proto": "nw_proto", "icmpv4_type": "icmpv4_type", "icmpv4_code": "icmpv4_code"}
_FLAGS = ("send_flow_rem", "delete_learned")


def read_learn(argument: str) -> Learn:
    """Read what stands in the parentheses.  Raises Complaint."""
    values: dict[str, int] = {}
    flags: set[str] = set()
    result: Subfield | None = None
    specs: list[LearnSpec] = []
    for word in split(argument, 0):
        if word.key in _NUMBERS and word.value is not None:
            values[word.key] = number(word.value, _NUMBERS[word.key], word.key)
        elif word.text in _FLAGS:
            flags.add(word.text)
        elif word.key == "result_dst" and word.value is not None:
            result = subfield(word.value)
        else:
            specs.extend(_spec(word))
    return Learn(
        **values,
        send_flow_rem="send_flow_rem" in flags,
        delete_learned="delete_learned" in flags,
        result=result,
        specs=tuple(specs),
    )


def _spec(word: Word) -> Iterator[LearnSpec]:
    text = word.text
    if text.startswith("load:"):
        value, arrow, target = text[5:].partition("->")
        if not arrow:
            raise Complaint("FLW006", f"'{text}' cannot be read", "write load:VALUE->FIELD[FIRST..LAST]")
        targets = subfields(target.strip())
        for place in targets:
            if not FIELDS[place.field].writable:
                raise Complaint("FLW006", f"{place.field} cannot be set", "it is read-only")
        yield from _pieces("load", targets, value.strip())
    elif text.startswith("output:"):
        yield LearnSpec(kind="output", source=subfield(text[7:].strip()))
    elif word.value is None:
        places = _places(word.key)
        for place in places:
            yield LearnSpec(kind="match", target=place, source=place)
    else:
        yield from _pieces("match", _places(word.key), word.value)


def _places(key: str) -> tuple[Subfield, ...]:
    if key in BY_PROTOCOL:
        raise Complaint(
            "FLW004", f"'{key}' depends on the protocol", "write tcp_dst, ipv4_src, ... in learn()"
        )
    return subfields(key)


def _pieces(kind: str, targets: tuple[Subfield, ...], value: str) -> Iterator[LearnSpec]:
    bits = sum(place.bits for place in targets)
    constant = _constant(targets, value, bits)
    if constant is not None:
        for place, low in registers.slices(bits, targets):
            yield LearnSpec(kind=kind, target=place, value=constant >> low & (1 << place.bits) - 1)
        return
    sources = subfields(value)
    given = sum(place.bits for place in sources)
    if given != bits:
        raise Complaint(
            "FLW006", f"'{value}' has {given} bits, and {bits} are to be filled", "of equal width"
        )
    for source, target in registers.paired(sources, targets):
        yield LearnSpec(kind=kind, target=target, source=source)


def _constant(targets: tuple[Subfield, ...], value: str, bits: int) -> int | None:
    if value[:1].isdigit() and "." not in value and ":" not in value:
        return number(value, bits, "the value")
    row = FIELDS[targets[0].field]
    if len(targets) == 1 and bits == row.bits and settable(value.partition("[")[0]) is None:
        return read_value(row, value)
    return None


def write_learn(action: Learn, write_subfield: Callable[[Subfield], str]) -> str:
    """Write it; *write_subfield* is `text_action_write.write_subfield`."""
    words = [f"table={action.table}"]
    timeouts = ("idle_timeout", "hard_timeout", "fin_idle_timeout", "fin_hard_timeout")
    words.extend(f"{name}={getattr(action, name)}" for name in timeouts if getattr(action, name))
    if action.priority != 32768:
        words.append(f"priority={action.priority}")
    if action.send_flow_rem:
        words.append("send_flow_rem")
    if action.delete_learned:
        words.append("delete_learned")
    if action.cookie:
        words.append(f"cookie=0x{action.cookie:x}")
    if action.limit:
        words.append(f"limit={action.limit}")
    if action.result is not None:
        words.append(f"result_dst={write_subfield(action.result)}")
    for spec in action.specs:
        target = "" if spec.target is None else write_subfield(spec.target)
        source = "" if spec.source is None else write_subfield(spec.source)
        if spec.kind == "output":
            words.append(f"output:{source}")
        elif spec.kind == "load":
            words.append(f"load:{source or hex(spec.value)}->{target}")
        elif spec.source is not None and spec.source == spec.target:
            words.append(target)
        elif spec.source is not None:
            words.append(f"{target}={source}")
        else:
            words.append(_write_constant(spec, target))
    return f"learn({','.join(words)})"


def _write_constant(spec: LearnSpec, target: str) -> str:
    """Write a whole field by its short name, as ``dump-flows`` does."""
    assert spec.target is not None
    row = FIELDS[spec.target.field]
    if spec.target.bits != row.bits:
        return f"{target}={hex(spec.value)}"
    value = hex(spec.value) if row.name == "eth_type" else write_value(row, spec.value)
    return f"{_SHORT.get(row.name) or SET_NAMES.get(row.name, row.name)}={value}"
