"""Random small pipelines that Open vSwitch accepts, drawn around the frames that will be sent.

Matches take their values from the fields of real frames, so that entries are met; actions are drawn among
those whose prerequisites the match establishes, because Open vSwitch refuses others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from sdn_lab.openflow.action import (
    ALL,
    FLOOD,
    IN_PORT,
    Action,
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
from sdn_lab.openflow.action_ovs import Clone
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.fields import FIELDS, OFPVID_PRESENT, Domain
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.packet import parse

PORTS = (1, 2, 3, 4, 5, 6)
TABLES = 4
SCRATCH = ("metadata", "reg0", "reg1", "reg5", "tun_id")
VALUES = (0, 1, 2, 3, 5, 0x65)
WRITABLE = [
    row
    for row in FIELDS.values()
    if row.writable
    and row.domain in (Domain.PACKET, Domain.PIPELINE)
    and row.name != "in_port"
    and not row.name.startswith("nsh_")  # a header that is not modelled
]


def one_push(actions: Iterable[Action]) -> list[Action]:
    """Open vSwitch refuses a second push, and a second pop, in one list, what it clones included."""
    kept: list[Action] = []
    for action in actions:
        if not (_vlan(action) and any(map(_vlan, kept))):
            kept.append(action)
    return kept


def _vlan(action: Action) -> bool:
    inner = action.actions if isinstance(action, Clone) else ()
    return isinstance(action, (PushVlan, PopVlan)) or any(map(_vlan, inner))


def _mask(rng: random.Random, bits: int) -> int:
    """A mask for part of a field.  ovs-ofctl misreads an IPv6 mask that starts with a decimal digit."""
    mask = rng.getrandbits(bits) & rng.getrandbits(bits)
    return mask | 0xF << 124 if bits == 128 else mask


def _run(rng: random.Random, bits: int) -> int:
    """A mask of at most 64 neighbouring bits: another becomes several actions.  Prefixes for IPv6."""
    length = rng.randrange(1, min(bits, 64) + 1)
    return ((1 << length) - 1) << (bits - length if bits == 128 else rng.randrange(bits - length + 1))


class Drawing:
    """One pipeline in the making."""

    def __init__(self, rng: random.Random, frames: list[bytes], *, ct: bool) -> None:
        self.rng, self.frames, self.ct = rng, frames, ct
        self._writable: dict[Match, list[str]] = {}
        self.made = 0  # entries that make entries

    def tables(self) -> Tables:
        entries = []
        for table in range(TABLES):
            priorities = self.rng.sample(range(1, 1000), 8)
            entries += [self.entry(table, priority) for priority in priorities]
            if self.rng.random() < 0.8:
                entries.append(self.entry(table, 0, Match()))
        unique = {entry.key: entry for entry in entries}
        return Tables(entries=tuple(unique.values()), groups=self.groups())

    def groups(self) -> tuple[Group, ...]:
        def bucket(weight: int = 0, watch: int = 0xFFFFFFFF) -> Bucket:
            actions = tuple(
                one_push(self.action(Match(), within=-1) for _ in range(self.rng.randrange(1, 4)))
            )
            return Bucket(actions=actions, weight=weight, watch_port=watch)

        return (
            Group(group_id=1, type=GroupType.ALL, buckets=(bucket(), bucket(), bucket())),
            Group(group_id=2, type=GroupType.INDIRECT, buckets=(bucket(),)),
            Group(
                group_id=4,
                type=GroupType.FAST_FAILOVER,
                buckets=(bucket(watch=77), bucket(watch=2), bucket(watch=3)),
            ),
        )

    def match(self) -> Match:
        rng = self.rng
        fields = parse(rng.choice(self.frames))
        tests: dict[str, tuple[int, int]] = {}
        for name in rng.sample(sorted(fields), min(len(fields), rng.choice((0, 0, 1, 1, 2, 3)))):
            self.test(tests, name, fields)
        if rng.random() < 0.3:
            tests["in_port"] = rng.choice(PORTS), 0xFFFFFFFF
        for name in SCRATCH:
            if rng.random() < 0.12:
                mask = rng.choice((FIELDS[name].full_mask, 1, 3))
                tests[name] = rng.choice(VALUES) & mask, mask
        if self.ct and rng.random() < 0.3:
            mask = rng.choice((0x20, 0x21, 0x22, 0x30, 0x3F))
            tests["ct_state"] = rng.choice((0, 0x21, 0x22, 0x30, 0x2A)) & mask, mask
        return Match.from_tests(tests)

    def test(self, tests: dict[str, tuple[int, int]], name: str, fields: dict[str, int]) -> None:
        row, value = FIELDS[name], fields[name]
        for needed, values in row.needs:
            if fields.get(needed) not in values:
                return
            tests[needed] = fields[needed], FIELDS[needed].full_mask
        if name == "vlan_pcp":
            if not fields["vlan_vid"]:
                return
            tests["vlan_vid"] = fields["vlan_vid"], 0x1FFF
        if name in tests or name == "ipv6_exthdr":  # which Open vSwitch has not
            return
        later = fields.get("ip_frag") == 3
        if later and (any(n == "ip_proto" for n, _ in row.needs) or name == "ip_frag"):
            return
        mask = row.full_mask
        if row.maskable and self.rng.random() < 0.3:
            if name == "ip_frag":
                value, mask = self.rng.choice(((0, 3), (1, 1), (1, 3), (0, 2)))
                if any("ip_proto" in dict(FIELDS[other].needs) for other in tests):
                    return
            elif name == "vlan_vid":
                mask = self.rng.choice((0x1FFF, 0x1000))
            else:
                mask = _mask(self.rng, row.bits)
        if mask:
            tests[name] = value & mask, mask

    def entry(self, table: int, priority: int, match: Match | None = None) -> FlowEntry:
        rng = self.rng
        match = self.match() if match is None else match
        apply = one_push(self.action(match, within=table) for _ in range(rng.choice((0, 1, 1, 2, 3, 4))))
        write: list[Action] = []
        if rng.random() < 0.3 and not self.ct:  # both crash ovs-vswitchd: docs/ovs-facts.md
            drawn = (self.action(match, within=-1) for _ in range(rng.randrange(1, 4)))
            write = [a for a in one_push(drawn) if not isinstance(a, OutputField)]
        goto = rng.randrange(table + 1, TABLES) if table + 1 < TABLES and rng.random() < 0.7 else None
        if goto is None and not write:
            apply.append(self.output())
        metadata = (rng.choice(VALUES), 0xFF) if rng.random() < 0.2 else None
        if metadata is not None:
            metadata = metadata[0] & metadata[1], metadata[1]
        return FlowEntry(
            table_id=table,
            priority=priority,
            match=match,
            instructions=Instructions(
                apply=tuple(apply), clear=rng.random() < 0.1, write=tuple(write), metadata=metadata, goto=goto
            ),
        )

    def output(self) -> Action:
        rng = self.rng
        if rng.random() < 0.15:
            return OutputField(source=Subfield(field="reg5", start=0, bits=rng.choice((16, 32, 3))))
        return Output(of_port=rng.choice((*PORTS, *PORTS, IN_PORT, ALL, FLOOD, 77)))

    def action(self, match: Match, *, within: int) -> Action:
        """*within*: the entry's table, or -1 for an action set or a bucket."""
        rng = self.rng
        kind = rng.choice(
            ("out", "out", "set", "set", "set", "move", "vlan", "ttl", "group", "again", "ct", "scratch")
        )
        tagged = (match.exact("vlan_vid") or 0) & OFPVID_PRESENT
        ip = match.exact("eth_type") in (0x0800, 0x86DD)
        if kind == "set":
            return self.setter(match)
        if kind == "move":
            return self.mover(match)
        if kind == "vlan":
            if tagged and rng.random() < 0.6 and within >= 0:
                return PopVlan()
            if not tagged:
                return PushVlan(eth_type=rng.choice((0x8100, 0x8100, 0x88A8)))
        if kind == "ttl" and ip:
            return DecTtl()
        if kind == "group" and within >= 0:
            return GroupAction(group_id=rng.choice((1, 2, 4)))
        if kind == "again" and within >= 0:
            table = rng.choice((None, 1, 2, 3, 3, 3))
            in_port = rng.choice((1, 2) if table is None else (None, None, 1, 2))  # ovs-ofctl wants one
            return Resubmit(in_port=in_port, table=table)
        if kind == "ct" and self.ct and ip and within >= 0:
            if rng.random() < 0.1:
                return CtClear()
            table = rng.choice((None, *range(within + 1, TABLES)))
            return Ct(commit=rng.random() < 0.5, zone=rng.choice((1, 2)), table=table)
        if kind == "scratch":
            name = rng.choice(SCRATCH)
            mask = rng.choice((FIELDS[name].full_mask, 1, 3))
            return SetField(field=name, value=rng.choice(VALUES) & mask, mask=mask)
        return self.output()

    def writable(self, match: Match) -> list[str]:
        """Return the fields that an action may write where *match* holds."""
        names = self._writable.get(match)
        if names is None:
            self._writable[match] = names = self._to_write(match)
        return names

    def _to_write(self, match: Match) -> list[str]:
        exact = {name: value for name, value, mask in match if mask == FIELDS[name].full_mask}
        tagged = exact.get("vlan_vid", 0) & OFPVID_PRESENT
        names = []
        for row in WRITABLE:
            if row.name.startswith("vlan") and not tagged:
                continue
            if row.name == "arp_op" and not exact.get("arp_op"):
                continue  # on a truncated ARP message this crashes ovs-vswitchd: docs/ovs-facts.md
            if all(exact.get(needed) in values for needed, values in row.needs):
                names.append(row.name)
        return names

    def setter(self, match: Match, prefix: str = "") -> SetField:
        """Draw a write to a field of the packet, to one whose name starts with *prefix*."""
        rng = self.rng
        names = [name for name in self.writable(match) if name.startswith(prefix)]
        name = rng.choice([n for n in names if FIELDS[n].domain is Domain.PACKET])
        row = FIELDS[name]
        value = rng.choice((0, 1, row.full_mask, rng.getrandbits(row.bits)))
        mask = row.full_mask
        if row.maskable and name != "vlan_vid" and rng.random() < 0.2:
            mask = _run(rng, row.bits)
        if name == "vlan_vid":
            value |= OFPVID_PRESENT
        elif name == "arp_op":
            value &= 0xFF  # Open vSwitch knows no others
        return SetField(field=name, value=value & mask, mask=mask)

    def mover(self, match: Match) -> Move:
        rng = self.rng
        names = [name for name in self.writable(match) if name != "vlan_vid"]  # 12 bits to ``move``
        source, target = FIELDS[rng.choice(names)], FIELDS[rng.choice(names)]
        if target.name.startswith("vlan"):
            target = FIELDS["reg1"]
        bits = rng.randrange(1, min(source.bits, target.bits) + 1)
        first, second = rng.randrange(source.bits - bits + 1), rng.randrange(target.bits - bits + 1)
        return Move(
            source=Subfield(field=source.name, start=first, bits=bits),
            target=Subfield(field=target.name, start=second, bits=bits),
        )
