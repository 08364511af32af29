"""A packet on its way through the pipeline: its bytes, its fields, and what writes them.

Fields are read from the frame once; from then on actions change fields and bytes together, and the
frame is *not* read again until the tracker recirculates it.  So after `pop_vlan` of one tag of two,
`eth_type` is still the inner tag's, as in Open vSwitch.

A field is written only where its prerequisites hold at that moment; otherwise the action does nothing
(ovs-actions(7), "set_field").

Whatever changes which headers there are (`replace`, `enclose`, a write to `eth_type` or `ip_proto`) has the
frame read again at once.  Read to the letter, all VLAN tags are known, not only the outermost, and `eth_type`
is what is behind them.
"""

from __future__ import annotations

from dataclasses import replace

from sdn_lab.openflow import packet_labels, packet_rewrite, registers
from sdn_lab.openflow.action import Move, SetField, Subfield
from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6, FIELDS, FRAG_LATER, OFPVID_PRESENT, Domain
from sdn_lab.openflow.fields_ovs import ACTSET_UNSET
from sdn_lab.openflow.interpret_result import Tunnel
from sdn_lab.openflow.packet_parse import NS, Dissection, dissect
from sdn_lab.openflow.reading import Reading

_REGISTERS = {
    row.name: 0 for row in FIELDS.values() if row.domain is not Domain.PACKET and row.name != "conj_id"
}
_REGISTERS["actset_output"] = ACTSET_UNSET
_MAX_TAGS = 2
_ETHERNET = ("eth_dst", "eth_src")
_PIPELINE = frozenset(_REGISTERS)
_CT_FIELDS = tuple(row.name for row in FIELDS.values() if row.domain is Domain.CONNTRACK)
_LABELS = frozenset({"mpls_label", "mpls_tc", "mpls_bos", "mpls_ttl", "pbb_isid"})
_STRUCTURE = frozenset({"eth_type", "ip_proto"})  # a write to these makes other headers of the bytes behind
_L4_FIELDS = frozenset(
    name for name, row in FIELDS.items() if any(needed == "ip_proto" for needed, _ in row.needs)
)


class Packet:
    """One packet, mutable.

    *tags* are the VLAN tags that the fields know of, outermost first; *bare* is the frame without them.
    *before* are the fields as they were when the tracker translated the bytes behind them, None where it did
    not; *rewritten*: since then an action wrote one of them, and then what it was.
    *untagged*: a write to vlan_tci took tags off, other than one 0x8100; *retagged*: and then one put one on.
    *behind* are the ports of a first fragment: actions see them, look-ups see 0.
    *arrived* is how long the frame was when it was read.
    *unlabelled* is the EtherType that the first pushed label was put before, None where none was.
    """

    __slots__ = (
        *("arrived", "bare", "before", "behind", "ct", "fields", "reading", "retagged", "rewritten"),
        *("tags", "unlabelled", "untagged"),
    )

    def __init__(
        self,
        frame: bytes,
        fields: dict[str, int],
        ct: PacketState,
        reading: Reading = Reading.OPEN_VSWITCH,
    ) -> None:
        self.reading, self.ct = reading, ct
        found = dissect(frame)
        self.tags = [frame[12:16]] if found.tagged else []
        self.bare = frame[:12] + frame[16:] if found.tagged else frame
        self.before: dict[str, int] | None = None
        self.rewritten = self.retagged = self.untagged = False
        self.arrived = len(frame)
        self.unlabelled: int | None = None
        if found.tagged and reading is Reading.LETTER:
            found = self._take_off_tags(found)
        self.fields = {**found.fields, **fields}
        self.behind = dict(found.behind)

    def _take_off_tags(self, found: Dissection) -> Dissection:
        """Take off the tags behind the outermost; the VLAN fields stay the outermost one's."""
        outermost = {name: found.fields[name] for name in ("vlan_vid", "vlan_pcp")}
        found = dissect(self.bare)
        while found.tagged:
            self.tags.append(self.bare[12:16])
            self.bare = self.bare[:12] + self.bare[16:]
            found = dissect(self.bare)
        return replace(found, fields={**found.fields, **outermost})

    @classmethod
    def received(
        cls,
        frame: bytes,
        in_port: int,
        tunnel: Tunnel | None,
        reading: Reading = Reading.OPEN_VSWITCH,
    ) -> Packet:
        """Return a packet as it enters table 0."""
        start = dict(_REGISTERS)
        start["in_port"] = start["in_phy_port"] = in_port
        if tunnel is not None:
            start.update(tun_id=tunnel.tun_id, tun_src=tunnel.tun_src, tun_dst=tunnel.tun_dst)
        return cls(frame, start, PacketState(), reading)

    def copy(self) -> Packet:
        """Return an independent copy."""
        twin = object.__new__(Packet)
        twin.fields, twin.tags, twin.bare = dict(self.fields), list(self.tags), self.bare
        twin.behind = dict(self.behind)
        twin.ct, twin.reading = self.ct.copy(), self.reading
        twin.before, twin.rewritten = self.before, self.rewritten
        twin.retagged, twin.untagged = self.retagged, self.untagged
        twin.arrived, twin.unlabelled = self.arrived, self.unlabelled
        return twin

    def recirculated(self, ct: PacketState) -> Packet:
        """Return the packet behind ``ct(table=...)``: bytes read anew, ct fields filled in."""
        kept = {name: value for name, value in self.fields.items() if name in _PIPELINE}
        kept.update(ct_state=ct.state, ct_zone=ct.zone, ct_mark=ct.mark, ct_label=ct.label)
        kept.update(ct.origin.fields() if ct.origin is not None else {})
        return Packet(self.frame, kept, ct, self.reading)

    def translated(self, frame: bytes, *, whole: bool = True) -> None:
        """Take over the bytes that the tracker translated, with their tag if *whole*; the fields stay."""
        self.bare = frame[:12] + frame[16:] if self.tags and whole else frame
        if self.before is None:
            self.before = dict(self.fields)

    @property
    def frame(self) -> bytes:
        """The bytes as they would leave now."""
        if not self.tags:
            return self.bare
        return self.bare[:12] + b"".join(self.tags) + self.bare[12:]

    @property
    def tunnel(self) -> Tunnel | None:
        """The tunnel fields, or None where all are 0."""
        held = self.fields
        if not (held["tun_id"] or held["tun_src"] or held["tun_dst"]):
            return None
        return Tunnel(tun_id=held["tun_id"], tun_src=held["tun_src"], tun_dst=held["tun_dst"])

    def read(self, source: Subfield) -> int | None:
        """Return the bits of *source*, or None where the packet does not carry the field."""
        if source.field == "vlan_tci":
            tci = self.fields["vlan_pcp"] << 13 | self.fields["vlan_vid"]
            return tci >> source.start & ((1 << source.bits) - 1)
        if not self._has(source.field):
            return None
        held = self.behind.get(source.field, self.fields[source.field])
        return held >> source.start & ((1 << source.bits) - 1)

    def set_field(self, action: SetField) -> None:
        """Write under a mask, where the prerequisites hold."""
        self._write(action.field, action.value, action.mask)

    def write(self, name: str, value: int) -> None:
        """Write a whole field, where the prerequisites hold."""
        self._write(name, value, FIELDS[name].full_mask)

    def move(self, action: Move) -> None:
        """Copy bits, where the prerequisites of both ends hold."""
        value = self.read(action.source)
        if value is not None:
            self.load(action.target, value)

    def load(self, target: Subfield, value: int) -> None:
        """Write bits, where the prerequisites hold."""
        if target.field == "in_port":
            done = registers.write_to(target, value)
            self._write("in_port", done.value, done.mask)
            return
        mask = (1 << target.bits) - 1
        self._write(target.field, value << target.start, mask << target.start)

    def push_vlan(self, eth_type: int) -> bool:
        """Put a tag outside all others: a copy of the outermost to the letter, of zeroes in Open vSwitch.

        Return False on a third: Open vSwitch knows of two at most, and then loses the innermost.
        """
        if self.reading is Reading.LETTER:
            tci = self.tags[0][2:] if self.tags else b"\0\0"
            self.tags.insert(0, eth_type.to_bytes(2) + tci)
            self._read_tag()
            return True
        self.tags.insert(0, eth_type.to_bytes(2) + b"\0\0")
        fits = len(self.tags) <= _MAX_TAGS
        del self.tags[_MAX_TAGS:]
        self._read_tag()
        return fits

    def pop_vlan(self) -> None:
        """Take off the outermost tag that the fields know of."""
        if self.tags:
            del self.tags[0]
            self._read_tag()

    def retag(self, tags: list[bytes]) -> None:
        """Put other tags in the place of those that the fields know of."""
        self.tags = tags + self.tags[_MAX_TAGS:]
        self._read_tag()

    def replace(self, bare: bytes) -> None:
        """Put other bytes in the place of the frame without its tags, and read them."""
        if bare != self.bare:
            self.bare = bare
            self._read_again()

    def enclose(self, frame: bytes) -> None:
        """Become another frame, which has the present one in it."""
        self.tags, self.bare = [], frame
        self._read_again()

    def _read_again(self) -> None:
        twin = Packet(self.frame, {}, self.ct, self.reading)
        self.behind, self.tags, self.bare = twin.behind, twin.tags, twin.bare
        for name in [name for name in self.fields if name not in _PIPELINE]:
            del self.fields[name]
        self.fields.update(twin.fields)

    def dec_ttl(self) -> bool:
        """Take one off the TTL; return False where the packet must stop instead."""
        if self.fields["eth_type"] not in (ETH_IP, ETH_IPV6):
            return True
        ttl = self.fields["nw_ttl"]
        if ttl <= 1:
            return False
        self._write("nw_ttl", ttl - 1, 0xFF)
        return True

    def clear_ct(self) -> None:
        """Zero the ct fields."""
        for name in _CT_FIELDS:
            self.fields[name] = 0

    def _has(self, name: str) -> bool:
        if name not in self.fields:
            return False
        if name in _L4_FIELDS and self.fields["ip_frag"] & FRAG_LATER:
            return False
        if name.startswith("nd_") and self.fields["icmpv6_code"]:
            return False
        return all(self.fields.get(needed) in values for needed, values in FIELDS[name].needs)

    def _write(self, name: str, value: int, mask: int) -> None:
        if name == "vlan_tci":
            self._write_tci(value, mask)
            return
        if not self._has(name):
            return
        held = self.behind if name in self.behind else self.fields
        value = held[name] & ~mask | value & mask
        if name in ("vlan_vid", "vlan_pcp"):
            self._write_tag(name, value)
            return
        if name in _STRUCTURE:
            self.replace(packet_labels.write_type(self.bare, name, value))
            return
        if value == held[name] and (name.startswith("nd_") or self.before is not None):
            return  # Open vSwitch compares fields: where they are the same the bytes stay as they are
        if self.before is not None and name not in _PIPELINE:
            self.rewritten |= value == self.before.get(name)
        held[name] = value
        if name in _PIPELINE or (name not in _ETHERNET and name not in _LABELS and self._has_no_header()):
            return
        try:
            if name in _LABELS:
                self.bare = packet_labels.write_label(self.bare, 14, name, value)
            else:
                self.bare = packet_rewrite.rewrite(self.bare, {name: value})
        except ValueError:
            return  # a truncated header: the field changed, there are no bytes for it
        if name == "icmpv6_type" and "nd_target" in held:
            option = "nd_sll" if value == NS else "nd_tll"  # a question became an answer, or the reverse
            held.setdefault(option, dissect(self.bare).fields.get(option, 0))

    def _has_no_header(self) -> bool:
        """IP protocol 0 and ARP operation 0 mean to Open vSwitch that there is no header to write into."""
        return not (self.fields.get("ip_proto") or self.fields.get("arp_op"))

    def _write_tag(self, name: str, value: int) -> None:
        if not self.tags:
            return
        held = int.from_bytes(self.tags[0][2:]) & ~OFPVID_PRESENT
        tci = held & 0xF000 | value & 0xFFF if name == "vlan_vid" else held & 0x1FFF | value << 13
        if tci == held:  # as it was, with the bit between VLAN and priority; written anew, without
            return
        self.tags[0] = self.tags[0][:2] + tci.to_bytes(2)
        self._read_tag()

    def _write_tci(self, value: int, mask: int) -> None:
        """Write the whole tag: with the presence bit one comes where there was none, without it all go.

        All that the fields know of: without the outermost there is no inner one.
        """
        held = self.fields["vlan_pcp"] << 13 | self.fields["vlan_vid"]
        tci = held & ~mask | value & mask
        if tci == held:
            return
        if not tci & OFPVID_PRESENT:
            self.untagged = (
                self.untagged or any(tag[:2] != b"\x81\0" for tag in self.tags) or len(self.tags) > 1
            )
            self.tags.clear()
        else:
            self.retagged |= self.untagged and not self.tags
            eth_type = self.tags[0][:2] if self.tags else b"\x81\0"
            self.tags[:1] = [eth_type + (tci & ~OFPVID_PRESENT).to_bytes(2)]
        self._read_tag()

    def _read_tag(self) -> None:
        tci = int.from_bytes(self.tags[0][2:]) if self.tags else 0
        self.fields["vlan_vid"] = OFPVID_PRESENT | tci & 0xFFF if self.tags else 0
        self.fields["vlan_pcp"] = tci >> 13
