"""Matches in ovs-ofctl's words, both ways: protocol keywords, tp_ and nw_ names, vlan_tci.

Reading takes a match's words with their columns, in any order (``tp_dst=80`` may stand before ``tcp``), as
ovs-ofctl does.  Writing gives the words in the order of `fields.ORDER`, protocol keyword first.

``vlan_tci=0x0000`` tests the whole tag in OpenFlow 1.0; OpenFlow 1.3 has no such test, and Open vSwitch drops
the priority from it.  It is read as *untagged* (``vlan_vid=0``), which means the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from sdn_lab.openflow import registers
from sdn_lab.openflow.fields import FIELDS, OFPVID_PRESENT
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text_values import Complaint, number, read_masked, write_masked
from sdn_lab.openflow.text_words import BY_PROTOCOL, NAMES, Word

KEYWORDS: Mapping[str, tuple[int, int | None]] = {
    "ip": (0x0800, None),
    "icmp": (0x0800, 1),
    "igmp": (0x0800, 2),
    "tcp": (0x0800, 6),
    "udp": (0x0800, 17),
    "sctp": (0x0800, 132),
    "ipv6": (0x86DD, None),
    "icmp6": (0x86DD, 58),
    "tcp6": (0x86DD, 6),
    "udp6": (0x86DD, 17),
    "sctp6": (0x86DD, 132),
    "arp": (0x0806, None),
    "rarp": (0x8035, None),
    "mpls": (0x8847, None),
    "mplsm": (0x8848, None),
}
# dump-flows prints igmp, but ovs-ofctl does not read it
_KEYWORD_OF = {test: word for word, test in KEYWORDS.items() if word != "igmp"}
_TRANSPORT = {6: "tcp", 17: "udp", 132: "sctp"}
_BY_ETHERTYPE = 1  # the namespace of packet_type for packets without an Ethernet header
_SPECIAL = ("vlan_tci", "dl_vlan", "dl_vlan_pcp", "nw_tos", *BY_PROTOCOL)


class MatchReader:
    """Collects the words of one match; `complaints` are all that is wrong with them."""

    def __init__(self) -> None:
        self._tests: dict[str, tuple[int, int]] = {}
        self._waiting: list[Word] = []
        self.complaints: list[Complaint] = []

    def add(self, word: Word) -> None:
        """Take one word."""
        try:
            self._add(word)
        except Complaint as complaint:
            self.complaints.append(complaint.at(word.offset, len(word.text)))

    def finish(self) -> Match:
        """Return the match; look at `complaints` before using it."""
        for word in self._waiting:
            try:
                name = self._resolve(word.key)
                self._put(name, *read_masked(FIELDS[name], word.value or ""))
            except Complaint as complaint:
                self.complaints.append(complaint.at(word.offset, len(word.text)))
        if self._exact("eth_type") == 0x0806 and "ip_proto" in self._tests:
            self._tests["arp_op"] = self._tests.pop("ip_proto")[0], 0xFFFF  # OpenFlow 1.0's word for it
        return Match.from_tests(self._tests)

    def _add(self, word: Word) -> None:
        key, value = word.key, word.value
        if value is None:
            if key not in KEYWORDS:
                raise _unknown(key)
            eth_type, proto = KEYWORDS[key]
            self._put("eth_type", eth_type, 0xFFFF)
            if proto is not None:
                self._put("ip_proto", proto, 0xFF)
        elif key in ("vlan_tci", "NXM_OF_VLAN_TCI"):
            self._vlan_tci(value)
        elif key == "dl_vlan":
            vid = number(value, 16, "dl_vlan")
            if vid == 0xFFFF:
                self._put("vlan_vid", 0, 0x1FFF)
            else:
                self._put("vlan_vid", OFPVID_PRESENT | number(value, 12, "dl_vlan"), 0x1FFF)
        elif key == "dl_vlan_pcp":
            self._put("vlan_pcp", number(value, 3, "dl_vlan_pcp"), 7)
        elif key == "nw_tos":
            tos = number(value, 8, "nw_tos")
            if tos & 3:
                raise Complaint("FLW002", f"nw_tos={value} sets ECN bits", "nw_tos is a multiple of 4")
            self._put("ip_dscp", tos >> 2, 0x3F)
        elif key in BY_PROTOCOL:
            self._waiting.append(word)
        elif key in registers.NAMES:
            self._wide_register(registers.NAMES[key], value)
        elif key in NAMES:
            held, mask = read_masked(NAMES[key], value)
            self._put(NAMES[key].name, held, mask)
            if NAMES[key].name == "packet_type" and held >> 16 == _BY_ETHERTYPE:
                self._put("eth_type", held & 0xFFFF, 0xFFFF)
        else:
            raise _unknown(key)

    def _wide_register(self, name: str, text: str) -> None:
        bits = registers.WIDE[name][1]
        value_text, slash, mask_text = text.partition("/")
        mask = number(mask_text, bits, name) if slash else (1 << bits) - 1
        for part, value, part_mask in registers.tests(name, number(value_text, bits, name), mask):
            self._put(part, value, part_mask)

    def _vlan_tci(self, value: str) -> None:
        tci_text, slash, mask_text = value.partition("/")
        tci = number(tci_text, 16, "vlan_tci")
        mask = number(mask_text, 16, "vlan_tci") if slash else 0xFFFF
        tci &= mask
        if mask >> 13 not in (0, 7):
            raise Complaint(
                "FLW003", "the priority of vlan_tci cannot be masked in part", "mask 0x0000 or 0xe000"
            )
        untagged = mask & 0x1FFF == 0x1FFF and tci & 0x1FFF == 0
        if untagged and tci:
            raise Complaint(
                "FLW010", f"vlan_tci={value} matches nothing", "an untagged packet has no priority"
            )
        if mask & 0x1FFF:
            self._put("vlan_vid", tci & 0x1FFF, mask & 0x1FFF)
        if mask >> 13 and not untagged:
            self._put("vlan_pcp", tci >> 13, 7)

    def _resolve(self, key: str) -> str:
        """Return the field that *key* means under the protocol that the match tests."""
        eth_type = self._exact("eth_type")
        proto = self._exact("ip_proto")
        side = key[-3:]
        if key in ("nw_src", "nw_dst"):
            if eth_type == 0x0806:
                return "arp_spa" if side == "src" else "arp_tpa"
            return "ipv4_" + side
        if key in ("tp_src", "tp_dst"):
            if proto in _TRANSPORT:
                return f"{_TRANSPORT[proto]}_{side}"
            raise Complaint(
                "FLW004", f"{key} needs a protocol with ports", "add tcp, udp, sctp, tcp6, udp6 or sctp6"
            )
        kind = key.removeprefix("icmp_")
        if (eth_type, proto) == (0x0800, 1):
            return "icmpv4_" + kind
        if (eth_type, proto) == (0x86DD, 58):
            return "icmpv6_" + kind
        raise Complaint("FLW004", f"{key} needs ICMP", "add icmp or icmp6")

    def _exact(self, name: str) -> int | None:
        held = self._tests.get(name)
        return held[0] if held is not None else None

    def _put(self, name: str, value: int, mask: int) -> None:
        held = self._tests.get(name)
        if held is not None and held != (value, mask):
            raise Complaint(
                "FLW008", f"{FIELDS[name].ofctl} is tested twice, differently", "test a field once"
            )
        self._tests[name] = value, mask


def write_match(match: Match) -> str:
    """Write a match as ``dump-flows`` does; the empty match is the empty string."""
    tests = match.as_mapping()
    words: list[str] = []
    eth_type, proto = match.exact("eth_type"), match.exact("ip_proto")
    word = _KEYWORD_OF.get((eth_type, proto)) if eth_type is not None else None
    if word is not None:
        words.append(word)
        tests.pop("ip_proto", None)
        del tests["eth_type"]
    elif eth_type is not None and (eth_type, None) in _KEYWORD_OF:
        words.append(_KEYWORD_OF[eth_type, None])
        del tests["eth_type"]
    vid, pcp = tests.pop("vlan_vid", None), tests.pop("vlan_pcp", None)
    for name, (value, mask) in tests.items():
        words.append(_write_test(name, value, mask))
    words.extend(_vlan(vid, pcp))
    return ",".join(words)


@lru_cache(maxsize=1 << 16)
def _write_test(name: str, value: int, mask: int) -> str:
    """Write one test; large tables make few different ones."""
    if name == "ip_dscp":
        return f"nw_tos={value << 2}"
    return f"{FIELDS[name].ofctl}={write_masked(FIELDS[name], value, mask)}"


def _vlan(vid: tuple[int, int] | None, pcp: tuple[int, int] | None) -> Sequence[str]:
    if vid is None and pcp is None:
        return ()
    value, mask = vid or (0, 0)
    if pcp is not None and vid == (0, 0x1FFF) and pcp[0] == 0:
        pcp = None  # an untagged packet has priority 0 anyhow
    if mask == 0x1FFF and value & OFPVID_PRESENT:
        tag = [f"dl_vlan={value & 0xFFF}"]
        return tag if pcp is None else [*tag, f"dl_vlan_pcp={pcp[0]}"]
    if pcp is not None:
        if vid is None:
            return (f"vlan_pcp={pcp[0]}",)
        value, mask = value | pcp[0] << 13, mask | 0xE000
    return (f"vlan_tci=0x{value:04x}/0x{mask:04x}",)


def _unknown(key: str) -> Complaint:
    known = [*KEYWORDS, *NAMES, *_SPECIAL]
    near = get_close_matches(key, known, n=1)
    fix = (
        f"did you mean '{near[0]}'?"
        if near
        else "see ovs-fields(7) for the names; not all are supported here"
    )
    return Complaint("FLW001", f"'{key}' is not a match field", "not a field that is known here", fix)
