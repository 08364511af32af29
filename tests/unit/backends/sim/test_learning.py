"""Learning in a switch: NORMAL remembers addresses, ``learn`` adds entries, and both forget in time."""

from __future__ import annotations

import pytest

from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow import frames
from sdn_lab.openflow.bridging import AGING_NS
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.reply import PortState

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def frame(src: str, dst: str) -> bytes:
    return frames.ethernet(src, dst, 0x88B5, bytes(46))


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Seen:
    """A switch with three ports, and where each frame left it."""

    def __init__(self, clock: Clock, flows: str) -> None:
        attached = [
            Attached(state=PortState(of_port=n, mac=f"0e:00:00:00:00:0{n}", name=f"p{n}", up=True), behind="")
            for n in (1, 2, 3)
        ]
        self.switch = Switch("s1", 1, clock, attached)
        self.switch.load(Tables(entries=parse_flows(flows)))
        self._left: list[int] = []
        self.switch.on_emit = lambda of_port, *_: self._left.append(of_port)

    def send(self, of_port: int, src: str, dst: str) -> list[int]:
        self._left.clear()
        self.switch.receive(frame(src, dst), of_port)
        return list(self._left)


def test_normal_floods_until_it_knows_and_again_when_it_has_forgotten(clock: Clock) -> None:
    seen = Seen(clock, "actions=NORMAL")
    assert seen.send(1, A, B) == [2, 3]
    assert seen.send(2, B, A) == [1]
    assert seen.send(1, A, B) == [2]
    clock.pass_until(clock.now_ns + AGING_NS)
    assert seen.send(1, A, B) == [2, 3]


def test_normal_keeps_what_it_learned_over_a_flow_mod_and_not_over_a_dead_port(clock: Clock) -> None:
    seen = Seen(clock, "actions=NORMAL")
    seen.send(2, B, A)
    seen.switch.load(Tables(entries=parse_flows("priority=5,actions=NORMAL")))
    assert seen.send(1, A, B) == [2]
    seen.switch.set_link(2, up=False)
    assert seen.send(1, A, B) == [3]


def test_a_moved_address_is_followed(clock: Clock) -> None:
    seen = Seen(clock, "actions=NORMAL")
    seen.send(2, B, A)
    seen.send(3, B, A)
    assert seen.send(1, A, B) == [3]


LEARNING = (
    "table=0,actions=learn(table=1,idle_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
    "output:NXM_OF_IN_PORT[]),resubmit(,1)\ntable=1,priority=0,actions=FLOOD"
)


def test_a_learned_entry_serves_the_next_packet_and_times_out(clock: Clock) -> None:
    seen = Seen(clock, LEARNING)
    assert seen.send(1, A, A) == [2, 3]  # the packet that is learned from does not meet what it makes
    assert seen.send(2, B, A) == [1]
    held = [format_entry(entry) for entry in seen.switch.table.entries() if entry.table_id == 1]
    assert f"table=1, idle_timeout=10, priority=32768,dl_dst={A} actions=output:1" in held
    clock.pass_until(clock.now_ns + 11_000_000_000)
    assert seen.send(3, "02:00:00:00:00:03", A) == [1, 2]


def test_an_action_that_is_not_carried_out_is_refused_when_it_is_loaded(clock: Clock) -> None:
    with pytest.raises(WireError, match="Decap is not supported"):
        Seen(clock, "actions=decap(),output:2")


@pytest.mark.parametrize("match", ["ip,ct_nw_src=10.0.0.1", "dp_hash=1"])
def test_a_match_that_is_not_seen_is_refused_when_it_is_loaded(clock: Clock, match: str) -> None:
    with pytest.raises(WireError, match="is not supported"):
        Seen(clock, f"{match},actions=output:2")
