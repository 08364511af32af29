"""How backends read the underlay: the same as the graph does, and by ways on which nothing goes round."""

import random

import networkx as nx
import pytest

from sdn_lab.backends.fabric import fabric, next_hops, way
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Link, Underlay
from sdn_lab.scenario import find, load
from sdn_lab.verify.graph.underlay import draw

SEEDS = range(200)


def underlay(sites, *links):
    pairs = sorted({tuple(sorted(pair)) for pair in links})
    return Underlay(sites=sites, links=tuple(Link(between=pair) for pair in pairs))


def random_underlay(seed):
    """Up to four sites, some spines, links anywhere; often with loops, sometimes falling apart."""
    rng = random.Random(seed)
    names = iter(f"hv{n}" for n in range(1, 20))
    sites = {
        f"site{n}": tuple(next(names) for _ in range(rng.randint(1, 2))) for n in range(rng.randint(1, 4))
    }
    hypervisors = [name for members in sites.values() for name in members]
    switches = [*sites, *(f"spine{n}" for n in range(rng.randint(0, 3)))]
    links = [
        (rng.choice([*hypervisors, *switches, *switches]), rng.choice([*switches, *hypervisors[:1]]))
        for _ in range(rng.randint(0, 9))
    ]
    return underlay(sites, *((a, b) for a, b in links if a != b))


@pytest.mark.parametrize("seed", SEEDS)
def test_backends_and_graph_read_the_same_links(seed):
    drawn, graph = fabric(random_underlay(seed)), draw(random_underlay(seed))

    assert {link.between for link in drawn.links} == {tuple(sorted(edge)) for edge in graph.edges}
    kinds = {name for name, kind in graph.nodes(data="kind") if kind == "hypervisor"}
    assert set(drawn.hypervisors) == kinds
    assert set(drawn.switches) == set(graph) - kinds


@pytest.mark.parametrize("seed", SEEDS)
def test_every_way_is_a_shortest_one_that_leads_over_no_other_hypervisor(seed):
    drawn, rng = fabric(random_underlay(seed)), random.Random(seed)
    down = {link.between for link in drawn.links if rng.random() < 0.2}
    hops = next_hops(drawn, down)

    for one in drawn.hypervisors:
        for other in drawn.hypervisors:
            graph = nx.Graph(link.between for link in drawn.links if link.between not in down)
            graph.add_nodes_from((one, other))
            graph.remove_nodes_from(set(drawn.hypervisors) - {one, other})
            taken = way(hops, one, other)
            if nx.has_path(graph, one, other):
                assert taken is not None
                assert len(taken) == nx.shortest_path_length(graph, one, other)
                assert nx.Graph(taken).edges <= graph.edges
            else:
                assert taken is None


def test_several_spines_are_all_in_use():
    drawn = fabric(load(find("leaf_spine"), {"spines": "2", "hypervisors": "4"}).underlay)
    taken = {ends for to in ("hv3", "hv4") for ends in way(next_hops(drawn), "hv1", to)}
    assert {("rack1", "spine1"), ("rack1", "spine2")} <= taken


def test_a_link_is_named_by_its_ends_in_either_order_and_a_wrong_one_is_refused():
    drawn = fabric(underlay({"east": ("hv1",), "west": ("hv2",)}))
    assert drawn.ends(("west", "east")) == ("east", "west")
    with pytest.raises(LabError, match="no link east - hv2: there is east - hv1, east - west, hv2 - west"):
        drawn.ends(("east", "hv2"))
