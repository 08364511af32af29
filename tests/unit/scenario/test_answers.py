"""What may come back: answers to what was allowed, and at most what both sides could have opened."""

import pytest

from sdn_lab.scenario import random_scenario
from sdn_lab.scenario.claims import pair

from .small_world import IN, OUT, flow, swap, world


def test_answers_to_an_allowed_flow_must_pass_whatever_the_answerer_may_open():
    # s -> d tcp 80 is allowed; d opens nothing
    said = world(a=f"{{egress: deny, rules: [{{{IN}, protocol: tcp, ports: 80}}]}}")
    opened = flow("tcp/80")
    reverse = swap(said)
    assert reverse.must_answer(opened)
    assert reverse.may_answer(opened)
    assert not reverse.must_answer(flow("tcp/81"))


@pytest.mark.parametrize(
    ("of_d_egress", "may"),
    [
        ("[]", True),  # d could open the reverse itself: it asked for the answer
        ("{egress: deny}", False),
        (f"[{{{OUT}, protocol: tcp, ports: 40000}}]", True),
        (f"[{{{OUT}, protocol: tcp, ports: 40001}}]", False),
    ],
)
def test_answers_to_a_refused_flow_pass_only_where_the_answerer_asked_for_it(of_d_egress, may):
    said = world(a="[]", b=of_d_egress, of_d="[a, b]")  # d's ingress refuses everything
    reverse = swap(said)
    assert not reverse.must_answer(flow("tcp/80"))
    assert reverse.may_answer(flow("tcp/80")) is may


def test_an_echo_reply_to_a_refused_request_never_passes():
    """Its type opens nothing, so no egress group can have let the answerer ask for it."""
    reverse = swap(world(a="[]"))
    assert not reverse.may_answer(flow("icmp/8"))
    assert swap(world(a=f"[{{{IN}, protocol: icmp}}]")).must_answer(flow("icmp/8"))


def test_what_the_opener_may_not_send_has_no_answer():
    reverse = swap(world(a="[]", b="{egress: deny}", of_s="[b]"))
    assert not reverse.may_answer(flow("tcp/80"))


def test_swapping_a_pair_is_the_other_pair():
    scenario = random_scenario(11, broadcast=False)
    s, d = next(
        (s, d) for s in scenario.ports for d in scenario.ports if s is not d and s.network == d.network
    )
    assert swap(pair(scenario, s, d)) == pair(scenario, d, s)
