"""Keys that people write because other systems have them, and what to tell who writes them.

Ignoring one of these would be worse than an error: a rule with ``action: deny`` that is read as an
allowance is a hole.  Keys are compared in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping

NOT_YET: Mapping[str, str] = {
    "inspections": "steering traffic through a firewall comes with a later version",
    "appliances": "appliances come with a later version",
}

_NAT = "there is no address translation: tenants' addresses overlap and never meet"
_PAIRS = "a port sends from its own addresses only: give it several in 'ip' instead"
_ALLOW = "rules only allow; what no rule allows is refused, so there is no order and no action"
_PORT_SECURITY = "port security is always on: no spoofing is a claim of every scenario"
_DHCP = "there is no DHCP server: addresses are written in the scenario, and DHCP stops at the port"
_GATEWAY = (
    "a network has no gateway of its own: a router has an address in it, 'routers: {r1: {interfaces: ...}}'"
)

NEVER: Mapping[str, str] = {
    "nat": _NAT,
    "snat": _NAT,
    "dnat": _NAT,
    "masquerade": _NAT,
    "floating_ip": _NAT,
    "floating_ips": _NAT,
    "floating_address": _NAT,
    "floating_addresses": _NAT,
    "floatingip": _NAT,
    "floatingips": _NAT,
    "port_forwarding": _NAT,
    "external_gateway": _NAT,
    "allowed_address_pairs": _PAIRS,
    "allowed_pairs": _PAIRS,
    "address_pairs": _PAIRS,
    "action": _ALLOW,
    "deny": _ALLOW,
    "drop": _ALLOW,
    "allow": _ALLOW,
    "priority": _ALLOW,
    "order": _ALLOW,
    "stateful": "groups are always stateful: replies to an allowed flow pass",
    "port_security": _PORT_SECURITY,
    "port_security_enabled": _PORT_SECURITY,
    "dhcp": _DHCP,
    "enable_dhcp": _DHCP,
    "allocation_pools": _DHCP,
    "gateway": _GATEWAY,
    "gateway_ip": _GATEWAY,
    "vlan": "tenants' networks are VNIs in a tunnel; VLAN tags stop at the port",
    "segmentation_id": "write 'vni'",
    "remote_ip_prefix": "write remote: {cidr: PREFIX}",
    "remote_group_id": "write remote: {group: NAME}",
    "port_range_min": 'write ports: "FIRST-LAST"',
    "port_range_max": 'write ports: "FIRST-LAST"',
    "ethertype": "the family follows from the remote's prefix; a rule without one is for both",
    "<<": "merge keys are YAML 1.1; an alias stands for a whole value: 'blue: *tenant'",
}
