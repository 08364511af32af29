"""TUN-01: a tenant crafts what only a hypervisor may send, a VXLAN (or Geneve) frame to a VTEP.

The inner frame is one that would be delivered to a stranger, under the stranger's VNI.  Nothing of it may
be decapsulated, nor reach the underlay outside a tunnel.  Inside its own network a tenant may tunnel to
whom it likes: then the platform carries it as plain UDP.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.probes.reach import open_number
from sdn_lab.observe.world import World, address_of, families

GENEVE_PORT, OLD_VXLAN_PORT, GPE_PORT = 6081, 8472, 4790


def cases(world: World) -> Iterator[Case]:
    """Yield tunnel frames from every port to every VTEP, aimed at one stranger of every other network."""
    for src in world.ports:
        own = address_of(src, 4)
        if own is None:
            continue
        for dst in _one_each(world, src):
            family = families(dst)[0]
            inner_src = next((p for p in world.peers(dst)), src)
            a, b = address_of(inner_src, family), address_of(dst, family)
            if a is None or b is None:
                continue
            flow = world.flow(a, b, *open_number(world, dst, family))
            vni = world.scenario.network(dst.network).vni
            for mac, vtep, port in _targets(world, src, dst):
                nonce = world.nonces.draw()
                inner = frames.opening(flow, inner_src.mac, dst.mac, nonce)
                payload = frames.vxlan_payload(vni, inner) if port != GENEVE_PORT else _geneve(vni, inner)
                ends = Ends(eth_src=src.mac, eth_dst=mac, src=own, dst=vtep)
                yield Case(
                    probe="TUN-01",
                    shots=(
                        Shot(
                            src=src.path,
                            dst="",
                            frame=frames.udp(ends, world.l4_port(), port, payload),
                            nonce=nonce,
                            expected=Expected.NOTHING,
                            bears_on=(*world.isolation(src, dst), *world.of_port(Kind.CLEAN, src)),
                            leans_on=sent("ip4", src),
                        ),
                    ),
                )


def _targets(world: World, src: Port, dst: Port) -> Iterator[tuple[str, IPAddress, int]]:
    """Yield (destination MAC, VTEP, UDP port) for both hypervisors, by every way that may lead there."""
    here = world.assignment.datapaths[src.hypervisor]
    there = world.assignment.datapaths[dst.hypervisor]
    peer = next(iter(world.peers(src)), None)
    for datapath in dict.fromkeys((here.hypervisor, there.hypervisor)):
        vtep = world.assignment.datapaths[datapath]
        for mac in dict.fromkeys((vtep.vtep_mac, frames.BROADCAST, *((peer.mac,) if peer else ()))):
            yield mac, vtep.vtep, frames.VXLAN_PORT
        for port in (GENEVE_PORT, OLD_VXLAN_PORT, GPE_PORT):
            yield vtep.vtep_mac, vtep.vtep, port


def _geneve(vni: int, inner: bytes) -> bytes:
    return bytes((0, 0, 0x65, 0x58)) + (vni << 8).to_bytes(4) + inner


def _one_each(world: World, src: Port) -> list[Port]:
    chosen: dict[str, Port] = {}
    for port in world.strangers(src):
        chosen.setdefault(port.network, port)
    return list(chosen.values())[:4]


def _several_networks(scenario: Scenario) -> bool:
    return len({port.network for port in scenario.ports}) > 1


FAMILIES = (Family("TUN-01", "a tenant's own VXLAN and Geneve frames to a VTEP", _several_networks, cases),)
