"""Read the actions that only Open vSwitch has, and the older names for OpenFlow's own.

``mod_vlan_vid:5`` puts a tag on where there is none, so it writes `vlan_tci`; ``mod_tp_dst:80`` means
whatever protocol with ports the packet carries, so it becomes three writes of which one at most does
something.  `text_action_ovs_write` is the other way, `text_learn` reads and writes ``learn``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from sdn_lab.openflow.action import CONTROLLER, Action, Output, SetField, Subfield
from sdn_lab.openflow.action_ovs import (
    Bundle,
    CheckPktLarger,
    Controller,
    Decap,
    DecNshTtl,
    DeleteField,
    Encap,
    Enqueue,
    Exit,
    FinTimeout,
    Multipath,
    Note,
    PopQueue,
    Sample,
    StackPop,
    StackPush,
)
from sdn_lab.openflow.fields import FIELDS, OFPVID_PRESENT
from sdn_lab.openflow.text_learn import read_learn
from sdn_lab.openflow.text_values import Complaint, number, of_port, read_value
from sdn_lab.openflow.text_words import settable, split, subfield, subfields

REASONS: Mapping[str, int] = {
    "no_match": 0,
    "action": 1,
    "invalid_ttl": 2,
    "action_set": 3,
    "group": 4,
    "packet_out": 5,
}
HASHES = (
    "eth_src",
    "symmetric_l4",
    "symmetric_l3l4",
    "symmetric_l3l4+udp",
    "nw_src",
    "nw_dst",
    "symmetric_l3",
)
ALGORITHMS = ("modulo_n", "hash_threshold", "hrw", "iter_hash")
BUNDLE_ALGORITHMS = ("active_backup", "hrw")
DIRECTIONS = ("ingress", "egress")
_M64 = (1 << 64) - 1
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}(?:\.?(?=[0-9a-fA-F]))?)*")


def pairs(argument: str, what: str, known: Mapping[str, int]) -> dict[str, str]:
    """Read ``key=value`` words; *known* keys with their widths in bits, 0 where it is no number."""
    found: dict[str, str] = {}
    for word in split(argument, 0):
        if word.key not in known or (word.value is None and known[word.key]):
            raise Complaint("FLW006", f"'{word.text}' is no part of {what}()", ", ".join(known))
        if word.key in found:
            raise Complaint("FLW008", f"{word.key} is said twice", "say it once")
        value = word.value or ""
        if known[word.key]:
            number(value, known[word.key], word.key)
        found[word.key] = value
    return found


def _int(found: Mapping[str, str], key: str, default: int = 0) -> int:
    return int(found[key], 0) if key in found else default


def octets(text: str, what: str) -> bytes:
    """Read bytes as ovs-ofctl writes them: pairs of hexadecimal digits, with dots between them."""
    if not _HEX.fullmatch(text):
        raise Complaint("FLW002", f"'{text}' is no row of bytes", f"{what} takes hexadecimal pairs: 0a.1b.2c")
    return bytes.fromhex(text.replace(".", ""))


def _controller(argument: str) -> Action:
    if argument[:1].isdigit():
        return Output(of_port=CONTROLLER, max_len=number(argument, 16, "max_len"))
    known = {"max_len": 16, "reason": 0, "id": 16, "userdata": 0, "pause": 0, "meter_id": 32}
    found = pairs(argument, "controller", known)
    if set(found) <= {"max_len"}:
        return Output(of_port=CONTROLLER, max_len=_int(found, "max_len", 0xFFFF))
    reason = found.get("reason", "action")
    if reason not in REASONS:
        raise Complaint("FLW002", f"'{reason}' is no reason", "reason is one of " + ", ".join(REASONS))
    return Controller(
        max_len=_int(found, "max_len", 0xFFFF),
        reason=REASONS[reason],
        controller_id=_int(found, "id"),
        userdata=octets(found.get("userdata", ""), "userdata"),
        pause="pause" in found,
        meter_id=_int(found, "meter_id"),
    )


def _enqueue(argument: str) -> Action:
    parsed = re.fullmatch(r"(\w+)\s*[:,]\s*(\w+)", argument)
    if parsed is None:
        raise Complaint("FLW006", f"enqueue:{argument} cannot be read", "write enqueue:PORT:QUEUE")
    return Enqueue(of_port=of_port(parsed[1]), queue_id=number(parsed[2], 32, "a queue"))


def _sample(argument: str) -> Action:
    known = {
        "probability": 16,
        "collector_set_id": 32,
        "obs_domain_id": 32,
        "obs_point_id": 32,
        "sampling_port": 0,
    }
    found = pairs(argument, "sample", {**known, "ingress": 0, "egress": 0})
    if not _int(found, "probability"):
        raise Complaint("FLW006", "sample() needs a probability", "1 to 65535")
    return Sample(
        probability=_int(found, "probability"),
        collector_set_id=_int(found, "collector_set_id"),
        obs_domain_id=_int(found, "obs_domain_id"),
        obs_point_id=_int(found, "obs_point_id"),
        sampling_port=of_port(found["sampling_port"]) if "sampling_port" in found else None,
        direction=next((word for word in DIRECTIONS if word in found), ""),
    )


def _fin_timeout(argument: str) -> Action:
    found = pairs(argument, "fin_timeout", {"idle_timeout": 16, "hard_timeout": 16})
    return FinTimeout(idle_timeout=_int(found, "idle_timeout"), hard_timeout=_int(found, "hard_timeout"))


def _check_pkt_larger(argument: str) -> Action:
    size, arrow, target = argument.partition("->")
    if not arrow:
        raise Complaint(
            "FLW006", "check_pkt_larger says no target", "write check_pkt_larger(SIZE)->FIELD[BIT]"
        )
    place = subfield(target.strip())
    if place.bits != 1:
        raise Complaint(
            "FLW006", f"'{target.strip()}' has {place.bits} bits", "check_pkt_larger sets one bit"
        )
    _check_writable((place,))
    return CheckPktLarger(size=number(size.strip(), 16, "check_pkt_larger"), target=place)


def _delete_field(argument: str) -> Action:
    row = settable(argument)
    if row is None or not row.name.startswith("tun_metadata"):
        raise Complaint("FLW006", f"'{argument}' cannot be deleted", "only tun_metadata fields can")
    return DeleteField(field=row.name)


def _stack(kind: type[StackPush | StackPop]) -> Callable[[str], Action]:
    def read(argument: str) -> Action:
        places = subfields(argument)
        if kind is StackPop:
            _check_writable(places)
        return kind(parts=places)

    return read


def _check_writable(places: Sequence[Subfield]) -> None:
    for place in places:
        if not FIELDS[place.field].writable:
            raise Complaint("FLW006", f"{place.field} cannot be set", "it is read-only")


def _hash_words(argument: str, what: str, algorithms: Sequence[str], least: int) -> list[str]:
    words = [word.text for word in split(argument, 0)]
    if len(words) < least:
        raise Complaint(
            "FLW006", f"{what}({argument}) says too little", f"{what} takes {least} words at least"
        )
    for word, known in ((words[0], HASHES), (words[2], algorithms)):
        if word not in known:
            raise Complaint("FLW006", f"'{word}' is no part of {what}()", "one of " + ", ".join(known))
    return words


def _multipath(argument: str) -> Action:
    words = _hash_words(argument, "multipath", ALGORITHMS, 6)
    if len(words) != 6:
        raise Complaint("FLW006", f"multipath({argument}) says too much", "it takes six words")
    target = subfield(words[5])
    _check_writable((target,))
    links = number(words[3], 16, "n_links")
    if not 1 <= links <= 1 << target.bits:
        raise Complaint("FLW006", f"{links} links do not fit {target.bits} bits", "make the target wider")
    return Multipath(
        fields=words[0],
        basis=number(words[1], 16, "basis"),
        algorithm=words[2],
        n_links=links,
        arg=number(words[4], 32, "arg"),
        target=target,
    )


def _bundle(argument: str) -> Action:
    return _read_bundle(argument, "bundle", None)


def _bundle_load(argument: str) -> Action:
    words = split(argument, 0)
    if len(words) < 5:
        raise Complaint("FLW006", f"bundle_load({argument}) says too little", "it takes five words at least")
    target = subfield(words[4].text)
    _check_writable((target,))
    rest = argument[: words[4].offset] + argument[words[4].offset + len(words[4].text) :].lstrip(" ,")
    return _read_bundle(rest, "bundle_load", target)


def _read_bundle(argument: str, what: str, target: Subfield | None) -> Action:
    words = _hash_words(argument, what, BUNDLE_ALGORITHMS, 4)
    if words[3] != "ofport":
        raise Complaint("FLW006", f"'{words[3]}' is no kind of member", "members are ofport")
    members: list[int] = []
    for at, word in enumerate(words[4:]):
        name = re.sub(r"^(members|slaves)\s*[:=]\s*", "", word) if at == 0 else word
        if name:
            members.append(of_port(name))
    return Bundle(
        fields=words[0],
        basis=number(words[1], 16, "basis"),
        algorithm=words[2],
        members=tuple(members),
        target=target,
    )


def _encap(argument: str) -> Action:
    parsed = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", argument, re.DOTALL)
    if parsed is None or parsed[1] not in ("ethernet", "nsh", "mpls", "mpls_mc"):
        raise Complaint(
            "FLW006", f"encap({argument}) cannot be read", "encap takes ethernet, nsh, mpls, mpls_mc"
        )
    properties = []
    for word in split(parsed[2] or "", 0):
        tlv = re.fullmatch(r"tlv\((.*)\)", word.text)
        properties.append(("tlv", tlv[1]) if tlv is not None else (word.key, word.value or ""))
        if tlv is None and (parsed[1], word.key) not in (("nsh", "md_type"), ("mpls", "ether_type")):
            raise Complaint("FLW006", f"'{word.text}' is no property of {parsed[1]}", "md_type, tlv(...)")
    return Encap(header=parsed[1], properties=tuple(properties))


def _decap(argument: str) -> Action:
    if not argument:
        return Decap()
    parsed = re.fullmatch(r"packet_type\(ns=(\w+),\s*type=(\w+)\)", argument)
    if parsed is None:
        raise Complaint(
            "FLW006", f"decap({argument}) cannot be read", "write decap(packet_type(ns=N,type=T))"
        )
    return Decap(packet_type=(number(parsed[1], 16, "the namespace"), number(parsed[2], 16, "the type")))


def _writes(*names: str, bits: int = 0) -> Callable[[str], Sequence[Action]]:
    """Return the reader of ``mod_...``: the argument goes into every one of *names*."""

    def read(argument: str) -> Sequence[Action]:
        row = FIELDS[names[0]]
        value = number(argument, bits, row.name) if bits else read_value(row, argument)
        return [SetField(field=name, value=value, mask=FIELDS[name].full_mask) for name in names]

    return read


def _mod_nw_tos(argument: str) -> Action:
    tos = number(argument, 8, "mod_nw_tos")
    if tos & 3:
        raise Complaint("FLW002", f"mod_nw_tos:{argument} sets ECN bits", "a multiple of 4, and mod_nw_ecn")
    return SetField(field="ip_dscp", value=tos >> 2, mask=0x3F)


def _mod_vlan_vid(argument: str) -> Action:
    vid = number(argument, 12, "mod_vlan_vid")
    return SetField(field="vlan_tci", value=OFPVID_PRESENT | vid, mask=0x1FFF)


def _mod_vlan_pcp(argument: str) -> Action:
    pcp = number(argument, 3, "mod_vlan_pcp")
    return SetField(field="vlan_tci", value=OFPVID_PRESENT | pcp << 13, mask=0xF000)


def _bare(name: str, action: Action) -> Callable[[str], Action]:
    def read(argument: str) -> Action:
        if argument:
            raise Complaint("FLW006", f"{name} takes no argument", f"write {name}")
        return action

    return read


READERS: Mapping[str, Callable[[str], Action | Sequence[Action]]] = {
    "controller": _controller,
    "enqueue": _enqueue,
    "pop_queue": _bare("pop_queue", PopQueue()),
    "push": _stack(StackPush),
    "pop": _stack(StackPop),
    "exit": _bare("exit", Exit()),
    "note": lambda argument: Note(data=octets(argument, "note")),
    "sample": _sample,
    "fin_timeout": _fin_timeout,
    "check_pkt_larger": _check_pkt_larger,
    "delete_field": _delete_field,
    "multipath": _multipath,
    "bundle": _bundle,
    "bundle_load": _bundle_load,
    "learn": read_learn,
    "encap": _encap,
    "decap": _decap,
    "dec_nsh_ttl": _bare("dec_nsh_ttl", DecNshTtl()),
    "set_tunnel": _writes("tun_id", bits=64),
    "set_tunnel64": _writes("tun_id", bits=64),
    "mod_dl_src": _writes("eth_src"),
    "mod_dl_dst": _writes("eth_dst"),
    "mod_nw_src": _writes("ipv4_src"),
    "mod_nw_dst": _writes("ipv4_dst"),
    "mod_nw_tos": _mod_nw_tos,
    "mod_nw_ecn": _writes("ip_ecn"),
    "mod_nw_ttl": _writes("nw_ttl"),
    "mod_tp_src": _writes("tcp_src", "udp_src", "sctp_src"),
    "mod_tp_dst": _writes("tcp_dst", "udp_dst", "sctp_dst"),
    "mod_vlan_vid": _mod_vlan_vid,
    "mod_vlan_pcp": _mod_vlan_pcp,
    "set_vlan_vid": _mod_vlan_vid,
    "set_vlan_pcp": _mod_vlan_pcp,
}
