"""Table peering: between the networks of an approved peering, only what it allows and answers to that.

It stands between the tracker's look-up and the sender's groups, *before* anything is committed: a
connection that the peering does not let through is then known in no zone, so nothing can later pass as an
answer to it or as an error about it.  All packets to the far network's prefix come by here, whatever MAC they
are addressed to, for the same reason.

    from the first network   what `allow` says, of a new flow or a known one (a narrowed `allow` holds for
                             what was established before); ICMP errors about its own flows
    from the second          what the tracker says is a reply (``+rpl``: the flow's other end opened it), and
                             ICMP errors about such flows (they are ``+rpl`` as well)

SCTP's replies must also come from a port that `allow` names: the tracker knows no SCTP ports, and one
association would make replies of all between two addresses.

What passes here is judged by both ends' security groups as any packet is.  What matches nothing ends here.
"""

from __future__ import annotations

from sdn_lab.compiler.joins import Join
from sdn_lab.compiler.pipeline import EGRESS_GROUP, EGRESS_TRACK, NETWORK, PEERING, SOURCE_ZONE
from sdn_lab.compiler.services import (
    FAMILIES,
    ICMP_TEST,
    RELATED,
    REPLY,
    SCTP,
    l4_test,
    sctp_ports,
    spoken_of,
)
from sdn_lab.compiler.writer import Site, Tests, Writer
from sdn_lab.model.intent import Network, Peering
from sdn_lab.openflow.action import Ct, Subfield


def write(site: Site, out: Writer) -> None:
    """Write the table, and the way into it."""
    for network in site.networks:
        for join in site.joins_from(network):
            if join.peering is not None:
                for tests in _towards(site, network, join):
                    _write_join(join, join.peering, tests, out)


def _towards(site: Site, network: Network, join: Join) -> list[Tests]:
    """Tests on packets from *network* to the far one, a set for each of its prefixes."""
    field = f"ipv{join.version}_dst"
    return [
        {
            NETWORK: network.vni,
            "eth_type": dict(FAMILIES)[join.version],
            field: (int(cidr.network_address), int(cidr.netmask)),
        }
        for cidr in site.scenario.network(join.far.network).cidrs
        if cidr.version == join.version
    ]


def _write_join(join: Join, peering: Peering, towards: Tests, out: Writer) -> None:
    zone = Subfield(field=SOURCE_ZONE, start=0, bits=16)
    out.add(EGRESS_TRACK, 110, towards, origin=join.origin, apply=(Ct(table=PEERING.id, zone=zone),))
    if join.near.network == peering.between[0]:
        for rule in peering.allow:
            for service in spoken_of(rule, join.version):
                out.add(PEERING, 100, {**towards, **service}, origin=join.origin, goto=EGRESS_GROUP)
        error: Tests = {**RELATED, **towards, "ip_proto": ICMP_TEST[join.version][0]}
        out.add(PEERING, 110, error, origin=join.origin, goto=EGRESS_GROUP)
        return
    out.add(PEERING, 100, {**REPLY, **towards}, origin=join.origin, goto=EGRESS_GROUP)
    out.drop(PEERING, 110, {**towards, "ip_proto": SCTP}, origin=join.origin)
    for rule in peering.allow:
        for l4_port in sctp_ports(rule):
            tests = {**REPLY, **towards, "ip_proto": SCTP, **l4_test("sctp_src", l4_port)}
            out.add(PEERING, 120, tests, origin=join.origin, goto=EGRESS_GROUP)
