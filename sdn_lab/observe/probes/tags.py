"""TAG-01 (with TAG-02 and TAG-03): VLAN tags from a tenant, single, stacked, and of priority only.

Networks are not VLANs here: whatever a tenant tags must stop at its port, whether the tag would be taken
for a network, stripped on the way, or carried along.  The frame inside is one that would be delivered
without its tag.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import UDP
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.probes.reach import open_number
from sdn_lab.observe.world import World, address_of, families

C_TAG, S_TAG, OLD_TAG = 0x8100, 0x88A8, 0x9100
STACKS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((C_TAG, 0),),  # priority tags: VLAN 0
    ((C_TAG, 0xE000),),
    ((S_TAG, 0),),
    ((OLD_TAG, 1),),
    ((C_TAG, 0), (C_TAG, 0)),
    ((C_TAG, 0), (C_TAG, 0), (C_TAG, 0)),
    ((S_TAG, 0), (C_TAG, 0)),
    ((C_TAG, 1), (C_TAG, 2)),
    ((S_TAG, 1), (C_TAG, 2)),
    ((OLD_TAG, 1), (C_TAG, 2)),
)
USUAL_IDS = (1, 2, 3, 10, 100, 101, 1000, 4094, 4095)
MOST_IDS = 24


def vlan_ids(world: World) -> list[int]:
    """Return VLAN ids to try: from the tables, then usual ones, then what a numbering might give."""
    planted = [vid & 0xFFF for vid in world.constants.of("vlan_vid")]
    vnis = [network.vni & 0xFFF for network in world.scenario.networks]
    counted = range(1, len(world.scenario.networks) + 1)
    return list(dict.fromkeys(vid for vid in (*planted, *USUAL_IDS, *counted, *vnis) if vid))[:MOST_IDS]


def cases(world: World) -> Iterator[Case]:
    """Yield tagged copies of deliverable frames: to a neighbour and to a stranger."""
    stacks = [((C_TAG, vid),) for vid in vlan_ids(world)] + list(STACKS)
    for src in world.ports:
        near = sorted(world.peers(src), key=lambda peer: not world.same_hypervisor(peer, src))
        targets = [*near[:1], *_one_each(world, src)]
        for number, stack in enumerate(stacks):
            for dst in targets:
                family = _shared(src, dst, prefer=6 if number % 3 == 2 else 4)
                if family and world.due("TAG-01"):
                    yield Case(probe="TAG-01", shots=(_tagged(world, src, dst, family, stack),))


def _one_each(world: World, src: Port) -> list[Port]:
    """Return one port of each of at most four other networks, a stranger on the same hypervisor first."""
    chosen: dict[str, Port] = {}
    for port in sorted(world.strangers(src), key=lambda p: not world.same_hypervisor(p, src)):
        chosen.setdefault(port.network, port)
    return list(chosen.values())[:4]


def _shared(src: Port, dst: Port, prefer: int) -> int:
    common = set(families(src)) & set(families(dst))
    return prefer if prefer in common else next(iter(sorted(common)), 0)


def _tagged(world: World, src: Port, dst: Port, family: int, stack: tuple[tuple[int, int], ...]) -> Shot:
    a, b = address_of(src, family), address_of(dst, family)
    assert a is not None
    assert b is not None
    own = src.network == dst.network
    flow = (world.sample(src, dst, family) if own else None) or world.flow(
        a, b, *(open_number(world, dst, family) if not own else (UDP, 9))
    )
    nonce = world.nonces.draw()
    return Shot(
        src=src.path,
        dst=dst.path if own else "",
        frame=frames.tagged(frames.opening(flow, src.mac, dst.mac, nonce), *stack),
        nonce=nonce,
        expected=Expected.NOTHING,
        confined=True,
        bears_on=(*world.of_port(Kind.CLEAN, src), *(() if own else world.isolation(src, dst))),
        leans_on=sent(f"ip{family}", src),
    )


def _several(scenario: Scenario) -> bool:
    return len(scenario.ports) > 1


FAMILIES = (Family("TAG-01", "VLAN tags from a tenant: single, stacked, priority", _several, cases),)
