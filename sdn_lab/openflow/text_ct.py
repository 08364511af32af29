"""Read and write ``ct(...)``, with ``nat(...)`` inside it, in ovs-ofctl's words.

``alg=ftp`` and ``alg=tftp`` are refused by name: helpers are not modelled.

Reference: ovs-actions(7), "The ct action".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from sdn_lab.openflow.action import Action, Ct, SetField, Subfield
from sdn_lab.openflow.action_nat import Address, Nat, NatKind
from sdn_lab.openflow.text_values import Complaint, number
from sdn_lab.openflow.text_words import Word, split, subfield

_FLAGS = {"persistent": "persistent", "hash": "by_hash", "random": "random"}
_V6_RANGE = re.compile(r"\[([^\]]+)\](?:-\[([^\]]+)\])?(?::(.+))?")
_V4_RANGE = re.compile(r"([^:]+?)(?:-([^:]+))?(?::(.+))?")
_EXAMPLE = "for example nat(src=10.0.0.1-10.0.0.9:1000-2000)"


def read_ct(argument: str, read_action: Callable[[Word], Sequence[Action]]) -> Ct:
    """Read what stands in ``ct(...)``; *read_action* reads the words of ``exec(...)``.  Raises Complaint."""
    commit = force = False
    table: int | None = None
    zone: int | Subfield = 0
    setters: list[SetField] = []
    nat: Nat | None = None
    for word in split(argument, 0):
        head = re.split(r"[(=:]", word.text, maxsplit=1)[0].strip()
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
            setters.extend(_exec(word.text[5:-1], read_action))
        elif head == "nat":
            if nat is not None:
                raise Complaint("FLW006", "two nat in one ct()", "one is enough")
            nat = _nat(word.text)
        elif head in ("alg", "timeout"):
            raise Complaint(
                "FLW011", f"ct({word.text}) is not supported here", "known to Open vSwitch, not modelled"
            )
        else:
            raise Complaint(
                "FLW006", f"'{word.text}' is no part of ct()", "commit, force, table, zone, exec, nat"
            )
    if force and not commit:
        raise Complaint("FLW006", "force in a ct() without commit", "Open vSwitch refuses it", "add commit")
    if setters and not commit:
        raise Complaint("FLW006", "exec() in a ct() without commit", "Open vSwitch refuses it", "add commit")
    if nat is not None and nat.kind is not NatKind.KNOWN and not commit:
        raise Complaint(
            "FLW006",
            f"nat({nat.kind.value}) in a ct() without commit",
            "it says what to do with new connections",
            "add commit, or write nat alone",
        )
    return Ct(commit=commit, force=force, table=table, zone=zone, exec_=tuple(setters), nat=nat)


def _exec(argument: str, read_action: Callable[[Word], Sequence[Action]]) -> list[SetField]:
    setters = []
    for word in split(argument, 0):
        for action in read_action(word):
            if not isinstance(action, SetField) or action.field not in ("ct_mark", "ct_label"):
                raise Complaint(
                    "FLW006", f"'{word.text}' cannot stand in exec()", "it sets ct_mark and ct_label only"
                )
            setters.append(action)
    return setters


def _nat(text: str) -> Nat:
    if text == "nat":
        return Nat()
    if not (text.startswith("nat(") and text.endswith(")")):
        raise Complaint("FLW006", f"'{text}' cannot be read", _EXAMPLE)
    kind = NatKind.KNOWN
    addresses: tuple[Address, Address] | None = None
    ports: tuple[int, int] | None = None
    flags: dict[str, bool] = {}
    for word in split(text[4:-1], 0):
        if word.key in ("src", "dst"):
            if kind is not NatKind.KNOWN:
                raise Complaint("FLW006", f"'{text}' says src or dst twice", "one end is translated")
            kind = NatKind(word.key)
            if word.value:
                addresses, ports = _range(word.value)
        elif word.text in _FLAGS:
            flags[_FLAGS[word.text]] = True
        else:
            raise Complaint(
                "FLW006", f"'{word.text}' is no part of nat()", "src, dst, persistent, hash, random"
            )
    nat = Nat(kind=kind, addresses=addresses, ports=ports, **flags)
    wrong = nat.complaint()
    if wrong is not None:
        raise Complaint("FLW006", wrong, _EXAMPLE)
    return nat


def _range(text: str) -> tuple[tuple[Address, Address], tuple[int, int] | None]:
    """Read ``FIRST-LAST:PORT-PORT``; an IPv6 address stands in brackets where ports follow."""
    parsed = _V6_RANGE.fullmatch(text)
    if parsed is None and text.count(":") > 1:
        first, _, last = text.partition("-")
        return (_address(first), _address(last or first)), None
    parsed = parsed or _V4_RANGE.fullmatch(text)
    if parsed is None:
        raise Complaint("FLW006", f"'{text}' is no range of addresses", _EXAMPLE)
    addresses = _address(parsed[1]), _address(parsed[2] or parsed[1])
    if parsed[3] is None:
        return addresses, None
    low, _, high = parsed[3].partition("-")
    return addresses, (number(low, 16, "a port"), number(high or low, 16, "a port"))


def _address(text: str) -> Address:
    try:
        return ip_address(text.strip())
    except ValueError:
        raise Complaint("FLW006", f"'{text}' is no address", _EXAMPLE) from None


def write_ct(
    action: Ct, write_subfield: Callable[[Subfield], str], write_actions: Callable[[Sequence[Action]], str]
) -> str:
    """Write ``ct(...)`` as dump-flows does."""
    words = [word for word, said in (("commit", action.commit), ("force", action.force)) if said]
    if action.table is not None:
        words.append(f"table={action.table}")
    if isinstance(action.zone, Subfield):
        words.append(f"zone={write_subfield(action.zone)}")
    elif action.zone:
        words.append(f"zone={action.zone}")
    if action.nat is not None:
        words.append(_write_nat(action.nat))
    if action.exec_:
        words.append(f"exec({write_actions(action.exec_)})")
    return "ct" if not words else f"ct({','.join(words)})"


def _write_nat(nat: Nat) -> str:
    if nat.kind is NatKind.KNOWN:
        return "nat"
    words = [nat.kind.value + (f"={_write_range(nat)}" if nat.addresses else "")]
    words += [word for word, name in _FLAGS.items() if getattr(nat, name)]
    return f"nat({','.join(words)})"


def _write_range(nat: Nat) -> str:
    ends = []
    for address in dict.fromkeys(nat.addresses or ()):
        bracketed = address.version == 6 and nat.ports is not None
        ends.append(f"[{address}]" if bracketed else str(address))
    ports = "-".join(str(port) for port in dict.fromkeys(nat.ports or ()))
    return "-".join(ends) + (f":{ports}" if ports else "")
