"""MGMT-01: a tenant tries to talk to the controller, the database, a shell, or the hypervisor's own stack.

Nothing may appear on a management interface: closed by absence of a path, not by refusal.  The addresses to
try are the controller's, the VTEPs', and those that every host has.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import ACK, Ends
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.world import World, address_of

SERVICES = (6633, 6653, 6640, 6641, 6642, 8080, 22)  # OpenFlow, OVSDB, northbound, a shell
EVERYWHERE = {4: ("127.0.0.1", "169.254.169.254"), 6: ("::1", "fe80::1")}


def cases(world: World) -> Iterator[Case]:
    """Yield connection attempts, and ARP requests, from every port to every management address."""
    for src in world.ports:
        here = world.assignment.datapaths[src.hypervisor]
        peer = next(iter(world.peers(src)), None)
        for turn, address in enumerate(_addresses(world, src)):
            own = address_of(src, address.version)
            if own is None:
                continue
            gateways = [leg.mac for leg in world.gateways.of(src.network)[:1]]
            macs = (here.vtep_mac, frames.BROADCAST, *((peer.mac,) if peer else ()), *gateways)
            services = SERVICES if address in world.management else SERVICES[turn % 3 :: 3]
            for n, service in enumerate(services):
                mac = macs[(turn + n) % len(macs)]
                ends = Ends(eth_src=src.mac, eth_dst=mac, src=own, dst=address)
                nonce = world.nonces.draw()
                yield _case(world, src, frames.tcp(ends, world.l4_port(), service, nonce), nonce)
            nonce = world.nonces.draw()
            ends = Ends(eth_src=src.mac, eth_dst=macs[turn % 2], src=own, dst=address)
            # The controller's side of a session: a switch that controls in band would let this through.
            yield _case(world, src, frames.tcp(ends, 6653, world.l4_port(), nonce, ACK), nonce)
            if address.version == 4:
                nonce = world.nonces.draw()
                frame = frames.arp(src.mac, frames.BROADCAST, 1, src.mac, own, frames.NOBODY, address, nonce)
                yield _case(world, src, frame, nonce)


def _addresses(world: World, src: Port) -> list[IPAddress]:
    own = {ip for p in world.members(src.network) for ip in p.ips}
    vteps: list[IPAddress] = [datapath.vtep for datapath in world.assignment.datapaths.values()]
    usual = [ip_address(text) for texts in EVERYWHERE.values() for text in texts]
    found = dict.fromkeys([*world.management, *vteps[:3], *usual])
    return [address for address in found if address not in own]


def _case(world: World, src: Port, frame: bytes, nonce: bytes) -> Case:
    return Case(
        probe="MGMT-01",
        shots=(
            Shot(
                src=src.path,
                dst="",
                frame=frame,
                nonce=nonce,
                expected=Expected.NOTHING,
                bears_on=world.of_port(Kind.MANAGEMENT, src),
                leans_on=sent("ip4" if frame[12:14] == b"\x08\x00" else "ip6", src)
                if frame[12:14] != b"\x08\x06"
                else (),
            ),
        ),
    )


def _always(scenario: Scenario) -> bool:
    return bool(scenario.ports)


FAMILIES = (Family("MGMT-01", "a tenant tries the management plane", _always, cases),)
