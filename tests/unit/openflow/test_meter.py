"""Meters by OpenFlow 1.3.5, section 5.7."""

import pytest

from sdn_lab.openflow.action import Output
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.frames import ethernet, ipv4
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.meter import Band, BandType, Meter, Policer, remarked
from sdn_lab.openflow.packet import parse, rewrite

SECOND = 1_000_000_000
FRAME = rewrite(
    ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, ipv4("10.0.0.1", "10.0.0.2", 99, bytes(80))),
    {"ip_dscp": 18},
)


def drop(rate, burst=0):
    return Band(type=BandType.DROP, rate=rate, burst_size=burst)


def passed(policer, count, gap_ns, octets=100, start_ns=0):
    return sum(policer.police(octets, start_ns + n * gap_ns) is None for n in range(count))


def test_at_first_one_seconds_worth_passes_at_once_and_no_packet_more():
    assert passed(Policer(Meter(meter_id=1, packets=True, bands=(drop(50),)), 0), 100, 0) == 50


def test_a_burst_size_counts_only_where_the_flag_says_so():
    assert passed(Policer(Meter(meter_id=1, packets=True, burst=True, bands=(drop(50, 7),)), 0), 100, 0) == 7
    assert passed(Policer(Meter(meter_id=1, packets=True, bands=(drop(50, 7),)), 0), 100, 0) == 50


@pytest.mark.parametrize(
    ("packets", "rate"), [(True, 100), (False, 80)]
)  # 100 bytes: 80 kbit are 100 packets
def test_in_the_long_run_what_passes_is_the_rate(packets, rate):
    policer = Policer(Meter(meter_id=1, packets=packets, bands=(drop(rate),)), 0)
    passed(policer, 1000, SECOND // 1000)
    assert passed(policer, 2000, SECOND // 1000, start_ns=SECOND) == pytest.approx(200, abs=1)


def test_of_several_bands_that_are_exceeded_the_highest_rate_decides():
    meter = Meter(meter_id=1, packets=True, burst=True, bands=(drop(5, 1), drop(10, 2)))
    policer = Policer(meter, 0)
    assert [policer.police(1, 0) for _ in range(3)] == [None, drop(5, 1), drop(10, 2)]
    assert [count.packets for count in policer.counted] == [1, 1]
    assert policer.packets == 3


def test_time_that_does_not_pass_fills_nothing():
    policer = Policer(Meter(meter_id=1, packets=True, burst=True, bands=(drop(1, 1),)), 5 * SECOND)
    assert policer.police(1, 5 * SECOND) is None
    assert policer.police(1, 4 * SECOND) is not None  # a clock that went back
    assert policer.police(1, 6 * SECOND) is None


@pytest.mark.parametrize(
    ("dscp", "levels", "marked"), [(10, 1, 12), (10, 9, 14), (14, 1, 14), (38, 1, 38), (0, 1, 0), (46, 1, 46)]
)
def test_a_remark_raises_drop_precedence_within_its_class(dscp, levels, marked):
    assert remarked(dscp, levels) == marked


def pipeline(band, *, write=()):
    policer = Policer(Meter(meter_id=3, packets=True, burst=True, bands=(band,)), 0)
    does = Instructions(meter=3, apply=(Output(of_port=2),), write=write)
    return Pipeline(Tables(entries=(FlowEntry(instructions=does),)), ports=(1, 2, 3), meters={3: policer})


def test_what_a_meter_drops_meets_no_action_and_no_action_set():
    switch = pipeline(drop(1, 1), write=(Output(of_port=3),))
    assert [e.of_port for e in switch.process(FRAME, 1).emissions] == [2, 3]
    assert switch.process(FRAME, 1).emissions == ()


def test_what_a_meter_remarks_goes_on_with_another_dscp():
    switch = pipeline(Band(type=BandType.DSCP_REMARK, rate=1, burst_size=1, prec_level=1))
    seen = [parse(switch.process(FRAME, 1).emissions[0].frame)["ip_dscp"] for _ in range(2)]
    assert seen == [18, 20]
