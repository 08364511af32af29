r"""The tables of an integration bridge.  Order of declaration is order in the pipeline.

          from a port                                      from the tunnel
               |                                                  |
      0 classify: network, zone  <--------------------------------+
               |                                                  |
     10 admission: EtherTypes, refusals for everybody             |
          /         \                                             |
     20 source_ip   30 source_neighbour: is the sender who it says it is?
         |               |     \  request                         |
         |               |   40 neighbours: to the owner alone; a gateway's answer is made,
         |               |      |  45 advertise: and for IPv6 finished, back to who asked
     50 egress_track     |      /                                 |
         |   \           |     /                                  |
         |  55 peering: is that what its tenants approved?        |
         |   /           |     /                                  |
     60 egress_group     |    /                                   |
          \              |   /                                    |
               70 forward: remote -> tunnel; local ---------+     |
                         |                                  |     |
                75 route: to another network, on purpose    |     |
                    remote -> tunnel; local ----------------+     |
                                                            v     v
                                              80 deliver: does the address belong to this MAC?
                                                  |       |    \  ARP, ND
                                                  |    85 copies: one for each member
                                              90 ingress_track  |
                                             100 ingress_group  |
                                                  \            /
                                                 110 output

Every table ends in drop: no table has a miss entry, and OpenFlow drops what misses.  What came
from a tunnel never goes back into one (split horizon): `forward` and `route` are reached from ports only.
What was routed is a packet of the other network from then on and is never routed again.

Registers: ``metadata`` network (VNI); ``reg6`` the source port's ct zone; ``reg5`` the OpenFlow port to
deliver to; ``reg7`` that port's ct zone.  A frame's own bytes are never trusted to carry any of these.

Before adding a table: decide which question it answers that no other does, declare it where in
the order that question can be asked, and write one module that fills it.
"""

from __future__ import annotations

from dataclasses import dataclass

NETWORK = "metadata"
SOURCE_ZONE = "reg6"
DESTINATION = "reg5"
DESTINATION_ZONE = "reg7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: its number, the stage that fills it (`openflow.cookie.STAGES`), what it is for."""

    id: int
    name: str
    stage: str
    purpose: str


def _declare(*rows: tuple[int, str, str, str]) -> tuple[Table, ...]:
    return tuple(
        Table(id=number, name=name, stage=stage, purpose=purpose) for number, name, stage, purpose in rows
    )


TABLES = _declare(
    (
        0,
        "classify",
        "classify",
        "in_port, or tunnel and VNI, to network and zone; tags, fragments end here",
    ),
    (10, "admission", "admission", "EtherType allow-list; DHCP servers, RA, redirects, MLD, IGMP end here"),
    (20, "source_ip", "port_security", "IPv4 and IPv6 senders: MAC and address are the port's own"),
    (
        30,
        "source_neighbour",
        "port_security",
        "ARP and ND senders: MAC, address, options are the port's own",
    ),
    (
        40,
        "neighbours",
        "neighbours",
        "ARP requests and solicitations: to the one owner; a gateway's is answered",
    ),
    (45, "advertise", "neighbours", "a gateway's advertisement: flags and its MAC, back to who asked"),
    (50, "egress_track", "egress_group", "connection tracking in the source port's zone"),
    (55, "peering", "peering", "between the networks of a peering: only what it allows, and answers to that"),
    (60, "egress_group", "egress_group", "what the source port's security groups let go"),
    (70, "forward", "forwarding", "by network and MAC: into the tunnel, or on to a local port"),
    (
        75,
        "route",
        "routing",
        "what is sent to a gateway: to the address's owner in a joined network",
    ),
    (80, "deliver", "forwarding", "by network, MAC and address: which local port; wrong addresses end here"),
    (85, "copies", "broadcast", "what is for everybody: one copy for each local member, through its groups"),
    (90, "ingress_track", "ingress_group", "connection tracking in the destination port's zone"),
    (100, "ingress_group", "ingress_group", "what the destination port's security groups admit"),
    (110, "output", "output", "out of the one port that was chosen"),
)

(
    CLASSIFY,
    ADMISSION,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
    NEIGHBOURS,
    ADVERTISE,
    EGRESS_TRACK,
    PEERING,
    EGRESS_GROUP,
    FORWARD,
    ROUTE,
    DELIVER,
    COPIES,
    INGRESS_TRACK,
    INGRESS_GROUP,
    OUTPUT,
) = TABLES
