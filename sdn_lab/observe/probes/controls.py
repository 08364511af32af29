"""Positive controls: the words in which legitimate packets and what leans on them agree, and the packets.

A control *proves* ``ip4 from red/vm1`` and ``ip4 to red/vm3`` once it was delivered.  What leans on a
control that nothing in the scenario could prove (a port alone in its network; groups that admit nothing) is
not doubted for that: the marker alone vouches for the capture then.
"""

from __future__ import annotations

from sdn_lab.model.intent import Direction, Port, Protocol
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.world import World, address_of


def proves(what: str, src: Port, dst: Port) -> tuple[str, ...]:
    """Return what a delivered packet of kind *what* (``ip4``, ``ip6``, ``arp``, ``nd``) shows."""
    return f"{what} from {src.path}", f"{what} to {dst.path}"


def sent(what: str, src: Port) -> tuple[str, ...]:
    """Return the control that says that packets of kind *what* get out of *src* at all."""
    return (f"{what} from {src.path}",)


def crossing(what: str, src: Port, dst: Port) -> tuple[str, ...]:
    """Return the controls for a packet that must not get from *src* to *dst*: each could talk to its own."""
    return f"{what} from {src.path}", f"{what} to {dst.path}"


def could_be_an_answer(world: World, src: Port, flow: Microflow) -> bool:
    """Say whether an SCTP packet of *src* could answer something that its own ingress groups speak of.

    Open vSwitch's tracker knows no SCTP ports: once the two ends have an association, a port's own rules are
    all that tells its answers from what its egress groups refuse, and whether the other end could have asked
    is not in them.
    """
    rules = [r for path in src.groups for r in world.scenario.security_group(path).rules]
    return any(
        rule.direction is Direction.INGRESS
        and rule.protocol in (Protocol.SCTP, Protocol.ANY)
        and (rule.l4_ports is None or any(p.first <= flow.src_l4 <= p.last for p in rule.l4_ports))
        for rule in rules
    )


def may_be_needed(world: World, src: Port, dst: Port) -> Expected:
    """Return what to expect of address resolution: it must work between ports that may talk."""
    return Expected.DELIVERED if world.may_talk(src, dst) else Expected.EITHER


def bystanders(world: World, *apart: Port) -> tuple[str, ...]:
    """Return the no-sniffing claims of the others in the networks of *apart*."""
    paths = {port.path for port in apart}
    networks = dict.fromkeys(port.network for port in apart)
    return world.of_port(
        Kind.NO_SNIFFING, *(p for name in networks for p in world.members(name) if p.path not in paths)
    )


def resolution_reply(world: World, src: Port, dst: Port, family: int) -> Shot | None:
    """Return an honest unicast ARP reply, or neighbour advertisement, from *src* to *dst*."""
    spa, tpa = address_of(src, family), address_of(dst, family)
    if spa is None or tpa is None:
        return None
    nonce = world.nonces.draw()
    if family == 4:
        frame = frames.arp(src.mac, dst.mac, 2, src.mac, spa, dst.mac, tpa, nonce)
    else:
        frame = frames.advertise(
            Ends(eth_src=src.mac, eth_dst=dst.mac, src=spa, dst=tpa), spa, src.mac, nonce
        )
    expected = may_be_needed(world, src, dst)
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frame,
        nonce=nonce,
        expected=expected,
        bears_on=_about(world, src, dst, expected),
        proves=proves("arp" if family == 4 else "nd", src, dst),
    )


def resolution_request(
    world: World, src: Port, dst: Port, family: int, *, unicast: bool = False
) -> Shot | None:
    """Return an honest ARP request, or neighbour solicitation, from *src* for *dst*'s address.

    *unicast*: to *dst* itself, as a kernel asks whether a neighbour is still there.
    """
    spa, tpa = address_of(src, family), address_of(dst, family)
    if spa is None or tpa is None:
        return None
    nonce = world.nonces.draw()
    if family == 4:
        mac = dst.mac if unicast else frames.BROADCAST
        frame = frames.arp(src.mac, mac, 1, src.mac, spa, frames.NOBODY, tpa, nonce)
    else:
        mac, group = (dst.mac, tpa) if unicast else frames.solicited_node(tpa)
        frame = frames.solicit(Ends(eth_src=src.mac, eth_dst=mac, src=spa, dst=group), tpa, src.mac, nonce)
    expected = may_be_needed(world, src, dst)
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frame,
        nonce=nonce,
        expected=expected,
        bears_on=_about(world, src, dst, expected),
        redirected=True,
        proves=proves("arp" if family == 4 else "nd", src, dst),
    )


def _about(world: World, src: Port, dst: Port, expected: Expected) -> tuple[str, ...]:
    exact = world.claims_on(src, dst) if expected is Expected.DELIVERED else ()
    return (*exact, *bystanders(world, src, dst), *world.of_port(Kind.CLEAN, dst))
