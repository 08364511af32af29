"""Where ovs-vswitchd ends, a case is sent to a new one, and one that ends each time is a disagreement."""

from __future__ import annotations

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.text import parse_flows

from .ovs_process import EndedError
from .switch_case import Case, Sent
from .switch_compare import Tally, compare
from .switch_oracle import Oracle

pytestmark = pytest.mark.ovs
FRAME = pk.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x88B5, bytes(50))
CASE = Case(
    seed=0,
    tables=Tables(entries=parse_flows("in_port=1,actions=output:2")),
    frames=(Sent(of_port=1, frame=FRAME),) * 3,
)


def test_one_that_was_killed_is_replaced_and_the_case_is_compared(oracle: Oracle) -> None:
    oracle.vswitch._processes[-1].kill()
    oracle.vswitch._processes[-1].wait()
    tally = Tally()
    assert compare(oracle, CASE, tally) is None
    assert (tally.ended, tally.compared) == (1, 3)


def test_one_that_ends_each_time_is_a_disagreement_that_names_the_frame(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = oracle.send

    def fatal(sent: list[Sent]) -> object:
        oracle.fed += len(sent)  # type: ignore[attr-defined]
        if oracle.fed >= 2:  # type: ignore[attr-defined]
            raise EndedError("ovs-vswitchd: it had enough")
        return send(sent)

    def load(case: Case) -> None:
        oracle.fed = 0  # type: ignore[attr-defined]
        loaded(case)

    loaded = oracle.load
    monkeypatch.setattr(oracle, "send", fatal)
    monkeypatch.setattr(oracle, "load", load)
    found = compare(oracle, CASE, Tally())
    assert found is not None
    assert (found.number, found.there) == (1, "ovs-vswitchd: it had enough")
