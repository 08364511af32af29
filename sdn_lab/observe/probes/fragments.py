"""FW-06: fragments of what would be allowed whole.

All fragments stop at the sender's port (a tracker that reassembles them has handed one tenant's to
another), so both a first and a later one of a flow that the groups admit must not arrive.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import UDP
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import crossing
from sdn_lab.observe.world import World

MOST_TARGETS = 2


def cases(world: World) -> Iterator[Case]:
    """Yield a first and a later fragment from every port to some of its neighbours."""
    for src in world.ports:
        for dst in world.peers(src)[:MOST_TARGETS]:
            for family in (4, 6):
                for later in (False, True):
                    shot = _shot(world, src, dst, family, later=later)
                    if shot is not None:
                        yield Case(probe="FW-06", shots=(shot,))


def _shot(world: World, src: Port, dst: Port, family: int, *, later: bool) -> Shot | None:
    addresses = next(world.flows(src, dst, family), None)
    if addresses is None:
        return None
    flow = world.sample(src, dst, family) or world.flow(*addresses, UDP, 9)
    nonce = world.nonces.draw()
    whole = frames.opening(flow, src.mac, dst.mac, nonce)
    ends = Ends(eth_src=src.mac, eth_dst=dst.mac, src=flow.src, dst=flow.dst)
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frames.fragment(ends, flow.protocol, whole, nonce, flow.src_l4, later=later),
        nonce=nonce,
        expected=Expected.NOTHING,
        bears_on=world.claims_on(src, dst),
        leans_on=crossing(f"ip{family}", src, dst),
    )


def _peers(scenario: Scenario) -> bool:
    return len({port.network for port in scenario.ports}) < len(scenario.ports)


FAMILIES = (Family("FW-06", "fragments of what would be allowed whole", _peers, cases),)
