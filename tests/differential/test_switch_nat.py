"""Translated conversations go through as on Open vSwitch: addresses, ports, checksums, states, both ways.

Each policy is a way to use ``ct(nat)``.  A conversation is drawn as in `test_switch`, answers to what was
sent among it; ct_state is written into the frame, and a packet-in says the connection's first
addresses.
"""

from __future__ import annotations

import os
import random
import re

import pytest

from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.text import parse_flows

from .switch_case import Case
from .switch_compare import Tally, compare
from .switch_draw import filled
from .switch_oracle import Oracle
from .switch_shrink import shrink
from .talk import Talk

pytestmark = pytest.mark.ovs
COUNT = int(os.environ.get("SDN_LAB_DIFFERENTIAL", "1"))
SEEDS = 8

SHOW = "table=9,actions=move:NXM_NX_CT_STATE[]->NXM_OF_ETH_DST[0..31],output:3,in_port,controller"
POLICIES = {
    "source to one address": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "source to one address and port": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW_AND_PORT),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "destination to one address": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(dst=NEW),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "destination to one address and port": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(dst=NEW_AND_PORT),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "source to itself": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "both sides to one another's addresses": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=OTHER),table=9)
        table=0,priority=1,IP,actions=ct(commit,zone=5,nat(dst=OTHER),table=9)""",
    "committed as it is": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat,table=9)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=9)""",
    "looked up, then committed": """
        table=0,IP,actions=ct(zone=5,nat,table=1)
        table=1,priority=9,in_port=1,ct_state=+new+trk,IP,actions=ct(commit,zone=5,nat(src=NEW),table=9)
        table=1,priority=1,IP,actions=resubmit(,9)""",
    "committed, and on without a table": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW)),output:3,in_port
        table=0,priority=1,IP,actions=ct(zone=5,nat),output:3,in_port""",
    "translated, looked up again, in this zone and another": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW_AND_PORT),table=1)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=1)
        table=1,priority=9,in_port=2,IP,actions=ct(zone=5,table=9)
        table=1,priority=1,IP,actions=ct(zone=6,table=2)
        table=2,IP,actions=ct(zone=5,nat,table=9)""",
    "source in one zone, destination in the next": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW),table=1)
        table=0,priority=1,IP,actions=ct(zone=5,nat,table=1)
        table=1,priority=9,in_port=1,IP,actions=ct(commit,zone=6,nat(dst=NEW_AND_PORT),table=9)
        table=1,priority=1,IP,actions=ct(zone=6,nat,table=9)""",
    "untranslated look-ups of translated connections": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW),table=9)
        table=0,priority=1,IP,actions=ct(zone=5,table=9)""",
    "with force": """
        table=0,priority=9,in_port=1,IP,actions=ct(commit,zone=5,nat(src=NEW),table=9)
        table=0,priority=1,IP,actions=ct(commit,force,zone=5,nat(dst=NEW),table=9)""",
}
WORDS = {
    "ip": {"NEW_AND_PORT": "10.0.0.9:7777", "NEW": "10.0.0.9", "OTHER": "10.0.0.2"},
    "ipv6": {"NEW_AND_PORT": "[fd00::9]:7777", "NEW": "fd00::9", "OTHER": "fd00::2"},
}


def tables_of(policy: str) -> Tables:
    """Return the entries of a policy, once for each family."""
    text = ""
    for family, words in WORDS.items():
        own = POLICIES[policy].replace("IP,", f"{family},")
        for word, meaning in words.items():
            own = re.sub(rf"\b{word}\b", meaning, own)
        text += own
    lines = [line.strip() for line in f"{text}\n{SHOW}".splitlines() if line.strip()]
    return Tables(entries=parse_flows("\n".join(lines)))


def conversation(policy: str, seed: int) -> Case:
    rng = random.Random(seed)
    talk = list(Talk(rng).frames())
    bases = [frame for _, frame in talk[:4]]
    return filled(rng, Case(seed=seed, tables=tables_of(policy), frames=()), bases, talk).case


@pytest.mark.parametrize("policy", POLICIES)
def test_translations_are_those_of_open_vswitch(oracle: Oracle, policy: str) -> None:
    tally = Tally()
    for seed in range(SEEDS * COUNT):
        found = compare(oracle, conversation(policy, seed), tally)
        assert found is None, f"{shrink(oracle, found)}"
    assert tally.compared > SEEDS * COUNT * 30


def test_the_comparison_sees_a_checksum_that_is_not_corrected(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdn_lab.openflow.conntrack_nat.updated", lambda checksum, old, new: checksum)
    policy = "source to one address"
    assert any(compare(oracle, conversation(policy, seed), Tally()) for seed in range(8))


def test_the_comparison_sees_answers_that_are_not_translated_back(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracker, "find", lambda tracker, key, now_ns: tracker._by_key.get(key.reversed()))
    policy = "source to one address"
    assert any(compare(oracle, conversation(policy, seed), Tally()) for seed in range(8))
