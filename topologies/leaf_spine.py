"""A data centre of any size: racks of hypervisors, spines between them, tenants that overlap in everything.

    sdn-lab run leaf_spine --set tenants=4 hypervisors=6 instances=48

Every tenant has the same addresses, the same MACs and the same two groups; instances are dealt out to tenants
and hypervisors in turn, so that every hypervisor carries several tenants.  All numbers are totals.
"""

from __future__ import annotations

from typing import Any

RACK = 2  # hypervisors in a rack
FIRST_VNI = 5000


def build(tenants: int = 2, hypervisors: int = 4, spines: int = 2, instances: int = 16) -> dict[str, Any]:
    """Return the scenario, as its file would say it.  Raises ValueError for numbers that make none."""
    for name, value, least in (
        ("tenants", tenants, 1),
        ("hypervisors", hypervisors, 1),
        ("spines", spines, 1),
        ("instances", instances, tenants),
    ):
        if value < least:
            raise ValueError(f"{name}={value}: at least {least}")
    if instances > tenants * 60_000:
        raise ValueError(f"instances={instances}: a tenant's network has room for 60000")
    names = [f"hv{n}" for n in range(1, hypervisors + 1)]
    racks = {f"rack{n}": names[at : at + RACK] for n, at in enumerate(range(0, hypervisors, RACK), start=1)}
    links = [{"between": [rack, f"spine{n}"]} for rack in racks for n in range(1, spines + 1)]
    return {
        "version": 1,
        "name": "leaf_spine",
        "underlay": {"sites": racks, "links": links},
        "tenants": {f"t{n:02}": _tenant(n, tenants, names, instances) for n in range(1, tenants + 1)},
        "intents": [{"redundant": {"between": list(racks)[:2]}}] if len(racks) > 1 and spines > 1 else [],
    }


def _tenant(number: int, tenants: int, hypervisors: list[str], instances: int) -> dict[str, Any]:
    mine = range(number - 1, instances, tenants)  # of all instances, dealt out in turn
    return {
        # A number of its own: of a thousand that are derived from names, two may well be the same.
        "networks": {"app": {"cidr": ["10.0.0.0/16", "fd00:a::/64"], "vni": FIRST_VNI + number}},
        "security_groups": {
            "web": [
                {"direction": "ingress", "protocol": "tcp", "ports": 80, "remote": "any"},
                {"direction": "ingress", "protocol": "icmp", "remote": {"group": "web"}},
            ],
            "back": [
                {"direction": "ingress", "protocol": "udp", "ports": "5000-5999", "remote": {"group": "web"}}
            ],
        },
        "instances": {
            f"vm{own:04}": {
                "network": "app",
                "hypervisor": hypervisors[of_all // tenants % len(hypervisors)],
                "ip": [f"10.0.{(own + 10) >> 8}.{(own + 10) & 255}", f"fd00:a::{own + 10:x}"],
                "mac": f"02:00:00:00:{own >> 8:02x}:{own & 255:02x}",
                "groups": ["back" if own % 3 == 0 else "web"],
            }
            for own, of_all in enumerate(mine, start=1)
        },
    }
