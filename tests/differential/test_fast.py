"""The cache gives what the tables give: every packet takes both ways, and the slow one is the judge."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator

import pytest

from sdn_lab.openflow import fast_lookup
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.fast import Cache
from sdn_lab.openflow.fast_layout import HEAD
from sdn_lab.openflow.fast_program import Node, Program
from sdn_lab.openflow.interpret import Pipeline, Result, Tunnel
from sdn_lab.openflow.meter import Meter, Policer
from sdn_lab.openflow.packet import describe, dissect
from sdn_lab.openflow.packet_checksum import internet
from sdn_lab.openflow.text import format_entry

from .corpus import boundary_frames, labelled, random_frame
from .random_tables import PORTS, Drawing
from .switch_draw import SwitchDrawing, themes

PACKETS = int(os.environ.get("SDN_LAB_PACKETS", "20000"))
FRAMES = 400  # through each random pipeline
LONG = 60  # look-ups of one packet: two such, and the pipeline is left, for it goes round
BOUNDARY, LABELLED = boundary_frames(), labelled()
TUNNELS = (None, None, None, Tunnel(tun_id=5), Tunnel(tun_id=5, tun_src=1, tun_dst=2))


def altered(rng: random.Random, frame: bytes) -> bytes:
    """Return a frame that is like another but for a few bits, or for its length."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(min(len(data), HEAD)) if rng.random() < 0.9 else rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
    kind = rng.random()
    if kind < 0.1:
        del data[rng.randrange(14, len(data) + 1) :]
    elif kind < 0.2:
        data += rng.randbytes(rng.randrange(1, 12))
    if rng.random() < 0.5:
        _mend(data)
    return bytes(data)


def _mend(data: bytearray) -> None:
    """Correct the IPv4 header checksum: with a wrong one the tracker looks no further."""
    found = dissect(bytes(data))
    if found.l4_start is not None and "ipv4_src" in found.fields:
        data[found.l3 + 10 : found.l3 + 12] = b"\0\0"
        data[found.l3 + 10 : found.l3 + 12] = internet(bytes(data[found.l3 : found.l4_start])).to_bytes(2)


def traffic(rng: random.Random, bases: list[bytes]) -> Iterator[tuple[int, bytes, Tunnel | None]]:
    """Packets that come again, come again a little different, and never come again."""
    pool = list(bases)
    ports = rng.sample(PORTS, 2)
    for _ in range(FRAMES):
        kind = rng.random()
        if kind < 0.3:
            frame = rng.choice(pool)
        elif kind < 0.95:
            frame = altered(rng, rng.choice(pool))
            if rng.random() < 0.2:
                pool.append(frame)
        else:
            frame = random_frame(rng)
        yield rng.choice(ports), frame, rng.choice(TUNNELS)


def shortly(result: Result) -> str:
    """Show what came of a packet."""
    sent = [(e.of_port, e.frame.hex(), e.tunnel) for e in result.emissions]
    return f"{sent} {result.packet_ins} {[t.table_id for t in result.path][:30]} {result.notes}"


class Compared:
    """What was compared so far."""

    def __init__(self) -> None:
        self.packets = self.missed = 0
        self.wrong: list[str] = []

    def drawn(self, seed: int, *, ct: bool, whole: bool) -> None:
        """Compare one random pipeline; a *whole* one holds everything that an entry can say."""
        rng = random.Random(seed)
        bases = rng.sample(BOUNDARY, 5)
        meters: tuple[Meter, ...] = ()
        if not whole:
            tables = Drawing(rng, bases, ct=ct).tables()
        else:
            about = themes(rng) - {"learn"}  # who holds the tables adds what is learned: nobody here
            bases[:2] = rng.sample(LABELLED, 2)
            drawing = SwitchDrawing(rng, bases, ct=ct, themes=about)
            tables, meters = drawing.tables(), drawing.meters()
        name = f"seed {seed}, ct {ct}"
        self.run(name, tables, traffic(rng, bases), limit=rng.choice((5, 1000)), meters=meters)

    def run(
        self,
        name: str,
        tables: Tables,
        packets: Iterable[tuple[int, bytes, Tunnel | None]],
        *,
        limit: int,
        meters: tuple[Meter, ...] = (),
    ) -> None:
        slow, fast = (
            Pipeline(
                tables,
                tracker=Tracker(),
                ports=PORTS,
                meters={meter.meter_id: Policer(meter, 0) for meter in meters},
            )
            for _ in range(2)
        )
        cache = Cache(fast, limit=limit)
        long = 0
        for number, (port, frame, tunnel) in enumerate(packets):
            now_ns = number * 1_000_000_000
            expected = slow.process(frame, port, tunnel, now_ns=now_ns)
            got = cache.process(frame, port, tunnel, now_ns=now_ns, traced=True)
            self.packets += 1
            long += len(expected.path) > LONG
            if long > 1:
                break
            if got != expected:
                path = "\n    ".join(format_entry(t.entry) if t.entry else "miss" for t in expected.path[:20])
                self.wrong.append(
                    f"{name}, packet {number} at {port} {tunnel}: {describe(frame)}\n  {frame.hex()}\n"
                    f"    {path}\n  slow {shortly(expected)}\n  fast {shortly(got)}"
                )
                return
        self.missed += cache.missed


@pytest.mark.parametrize("ct", [False, True], ids=["stateless", "stateful"])
def test_cached_packets_fare_as_the_tables_say(ct: bool) -> None:
    compared, seed = Compared(), 0
    while compared.packets < PACKETS // 2:
        compared.drawn(seed, ct=ct, whole=seed % 3 == 0)
        assert not compared.wrong, "\n" + compared.wrong[0]
        seed += 1
    assert compared.missed < compared.packets * 0.8  # else nothing was cached, and nothing compared


def _finds_a_difference(seeds: int = 80) -> bool:
    compared = Compared()
    for seed in range(seeds):
        compared.drawn(seed, ct=False, whole=False)
        if compared.wrong:
            return True
    return False


def test_a_recorder_that_forgets_what_it_did_not_find_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_lookup, "_differences", lambda *_: 0)
    assert _finds_a_difference()


def test_a_cache_that_trusts_lengths_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2020-35498: a packet that is shorter than its header says hits the entry of one that is not."""
    sound = Program.__post_init__

    def trusting(program: Program) -> None:
        sound(program)
        program.least, program.length_at = -100, -1

    monkeypatch.setattr(Program, "__post_init__", trusting)
    assert _finds_a_difference()


@pytest.mark.parametrize("byte", [20, 23], ids=["fragments", "protocol"])
def test_a_cache_that_forgets_structure_is_found(monkeypatch: pytest.MonkeyPatch, byte: int) -> None:
    """CVE-2023-1668: an entry that does not pin the protocol."""
    sound = Node.keep

    def forgetting(node: Node, mask: int, frame: bytes, program: Program) -> None:
        sound(node, mask & ~(0xFF << 8 * byte), frame, program)

    monkeypatch.setattr(Node, "keep", forgetting)
    assert _finds_a_difference()
