"""The dice of `random_scenarios`, and the few addresses that they draw from.

Networks have *numbers*; those with one number have one prefix.  Number 0 is the prefix that all networks of
a scenario have where nothing is joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from random import Random
from typing import TypeVar

from sdn_lab.model.intent import IPAddress, IPNetwork

T = TypeVar("T")

HOSTS = (1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 129, 254)  # at and beside the edges of longer prefixes
GATEWAYS = (5, 6, 9, 130, 253)  # hosts that no port has; one for each router of a network
_FIRST = {4: ip_network("10.0.0.0/24"), 6: ip_network("fd00:a::/64")}


class Dice(Random):
    """A seeded source of chance, with two ways to ask that scenarios need often."""

    def often(self, percent: int) -> bool:
        return self.randrange(100) < percent

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """Return 0 to *most* different items, in the order of *items*."""
        count = self.randint(0, min(most, len(items)))
        return [items[i] for i in sorted(self.sample(range(len(items)), count))]


def prefix_of(family: int, number: int = 0) -> IPNetwork:
    """Return the prefix of networks with this number."""
    first = _FIRST[family]
    base = int(first.network_address) + (number << (first.max_prefixlen - first.prefixlen))
    return ip_network(f"{ip_address(base)}/{first.prefixlen}")


def host_of(family: int, host: int, number: int = 0) -> IPAddress:
    """Return an address in the prefix of networks with this number."""
    return ip_address(int(prefix_of(family, number).network_address) + host)
