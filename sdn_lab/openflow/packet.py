"""Frames as bytes: everything that the project does with one, in one place to import from.

* `parse`: the fields that Open vSwitch sees in a frame (`packet_parse`).
* `rewrite`, `push_vlan`, `pop_vlan`, `dec_ttl`: change one, checksums corrected (`packet_rewrite`).
* `ethernet`, `arp`, `ipv4`, ...: build one (`frames`).
* `vxlan_encap`, `vxlan_decap`, ...: put one into another and take it out (`frames_tunnel`).
* `describe`: one line about it, for people (`packet_describe`).

No scapy: this module is the simulator's and the verifier's own reading, and scapy, in the probes, the second
opinion.
"""

from __future__ import annotations

from sdn_lab.openflow.frames import (
    arp,
    ethernet,
    icmp,
    icmp_echo,
    icmpv6,
    icmpv6_echo,
    ip_bytes,
    ipv4,
    ipv6,
    mac_bytes,
    neighbour_advert,
    neighbour_solicit,
    sctp,
    solicited_node,
    tcp,
    udp,
)
from sdn_lab.openflow.frames_tunnel import (
    Decapsulated,
    Outer,
    geneve_decap,
    geneve_encap,
    vxlan_decap,
    vxlan_encap,
)
from sdn_lab.openflow.packet_describe import describe, mac_text
from sdn_lab.openflow.packet_parse import dissect, parse
from sdn_lab.openflow.packet_rewrite import dec_ttl, pop_vlan, push_vlan, rewrite

__all__ = [
    "Decapsulated",
    "Outer",
    "arp",
    "dec_ttl",
    "describe",
    "dissect",
    "ethernet",
    "geneve_decap",
    "geneve_encap",
    "icmp",
    "icmp_echo",
    "icmpv6",
    "icmpv6_echo",
    "ip_bytes",
    "ipv4",
    "ipv6",
    "mac_bytes",
    "mac_text",
    "neighbour_advert",
    "neighbour_solicit",
    "parse",
    "pop_vlan",
    "push_vlan",
    "rewrite",
    "sctp",
    "solicited_node",
    "tcp",
    "udp",
    "vxlan_decap",
    "vxlan_encap",
]
