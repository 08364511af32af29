r"""The tables of an integration bridge.  Order of declaration is order in the pipeline.

          from a port                                      from the tunnel
               |                                                  |
      0 classify: network, zone  <--------------------------------+
               |                                                  |
     10 admission: EtherTypes, refusals for everybody             |
          /         \                                             |
     20 source_ip   30 source_neighbour: is the sender who it says it is?
         |               |     \  request                         |
         |               |   40 neighbours: to the owner alone    |
     50 egress_track     |      /                                 |
     60 egress_group     |     /                                  |
          \              |    /                                   |
               70 forward: remote -> tunnel; local ---------+     |
                                                            v     v
                                              80 deliver: does the address belong to this MAC?
                                                  |            \  ARP, ND
                                              90 ingress_track  |
                                             100 ingress_group  |
                                                  \            /
                                                 110 output

Every table ends in drop: no table has a miss entry, and OpenFlow drops what misses.  What came
from a tunnel never goes back into one (split horizon): `forward` is reached from ports only.

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


def _declare(*rows: tuple[str, str, str]) -> tuple[Table, ...]:
    return tuple(
        Table(id=10 * index, name=name, stage=stage, purpose=purpose)
        for index, (name, stage, purpose) in enumerate(rows)
    )


TABLES = _declare(
    ("classify", "classify", "in_port, or tunnel and VNI, to network and zone; tags and fragments end here"),
    ("admission", "admission", "EtherType allow-list; DHCP servers, RA, redirects, MLD, IGMP end here"),
    ("source_ip", "port_security", "IPv4 and IPv6 senders: MAC and address are the port's own"),
    ("source_neighbour", "port_security", "ARP and ND senders: MAC, address and options are the port's own"),
    ("neighbours", "neighbours", "ARP requests and solicitations go to the address's one owner"),
    ("egress_track", "egress_group", "connection tracking in the source port's zone"),
    ("egress_group", "egress_group", "what the source port's security groups let go"),
    ("forward", "forwarding", "by network and MAC: into the tunnel, or on to a local port"),
    ("deliver", "forwarding", "by network, MAC and address: which local port; wrong addresses end here"),
    ("ingress_track", "ingress_group", "connection tracking in the destination port's zone"),
    ("ingress_group", "ingress_group", "what the destination port's security groups admit"),
    ("output", "output", "out of the one port that was chosen"),
)

(
    CLASSIFY,
    ADMISSION,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
    NEIGHBOURS,
    EGRESS_TRACK,
    EGRESS_GROUP,
    FORWARD,
    DELIVER,
    INGRESS_TRACK,
    INGRESS_GROUP,
    OUTPUT,
) = TABLES
