"""Ranges become masks and prefixes lose their exceptions without gaining or losing a member."""

from ipaddress import IPv4Address, ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from sdn_lab.compiler.security_groups import _subtract
from sdn_lab.compiler.services import masked
from sdn_lab.model.intent import PortRange

l4_ports = st.integers(0, 0xFFFF)
ranges = st.lists(st.tuples(l4_ports, l4_ports).map(sorted), max_size=4)


@given(wanted=ranges, extra=st.lists(l4_ports, max_size=20))
@example(wanted=[[8000, 8080]], extra=[7999, 8000, 8080, 8081])
@example(wanted=[[0, 0xFFFF]], extra=[0, 0xFFFF])
@example(wanted=[[80, 80], [81, 81]], extra=[79, 82])
def test_masks_cover_exactly_the_ranges(wanted: list[list[int]], extra: list[int]) -> None:
    masks = list(masked(tuple(PortRange(first=a, last=b) for a, b in wanted)))

    edges = {p for a, b in wanted for p in (a - 1, a, b, b + 1)} & set(range(0x10000))
    for port in {*extra, *edges}:
        covering = [1 for value, mask in masks if port & mask == value]
        assert bool(covering) == any(a <= port <= b for a, b in wanted), (port, masks)
        assert len(covering) <= 1, "two masks cover one port"


def test_no_range_at_all_is_every_port_and_an_empty_list_is_none() -> None:
    assert list(masked(None)) == [(0, 0)]
    assert list(masked(())) == []


prefixes = st.builds(
    lambda n, length: ip_network((0x0A000000 | n & (0xFFFFFFFF << (32 - length)) & 0xFF, length)),
    st.integers(0, 255),
    st.integers(24, 32),
)


@given(cidr=prefixes, excluded=st.lists(prefixes, max_size=3))
def test_exceptions_are_taken_out_and_nothing_else(cidr, excluded) -> None:
    left = _subtract(cidr, tuple(excluded))

    for low in range(256):
        address = IPv4Address(0x0A000000 | low)
        wanted = address in cidr and not any(address in hole for hole in excluded)
        assert sum(address in part for part in left) == int(wanted), (address, left)


def test_exceptions_of_the_other_family_change_nothing() -> None:
    assert _subtract(ip_network("10.0.0.0/24"), (ip_network("::/0"),)) == [ip_network("10.0.0.0/24")]
