"""Row LIFE-12 for what no entry shows: settings of bridges, tunnels and ports, found, named, reverted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from remains import until
from test_drift import on, vsctl

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.model.verdict import Difference, Drift, Status
from tests.unit.lab.lives import AGAIN, Packet

OPTIONS = Options(backend="mininet", methods=("graph", "drift"), mend=True)
EDITS = {
    "a tunnel's key": (
        "set interface tun options:key=5",
        'interface tun: options={key="5",remote_ip="flow"}',
    ),
    "a tunnel's end": (
        "set interface tun options:remote_ip=172.31.0.2",
        'interface tun: options={key="flow",remote_ip="172.31.0.2"}',
    ),
    "a tunnel's kind": ("set interface tun type=geneve", 'interface tun: type="geneve"'),
    "a port's rate": (
        "set interface p100 ingress_policing_rate=1",
        "interface p100 (blue/vm1): ingress_policing_rate=1",
    ),
    "a port's VLAN": ("set port p100 tag=7", "port p100 (blue/vm1): tag=7"),
    "OpenFlow 1.0": (
        "set bridge br-int protocols=OpenFlow10,OpenFlow13",
        'bridge br-int: protocols=["OpenFlow10","OpenFlow13"]',
    ),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(AGAIN, OPTIONS) as made:
        yield made


def found(lab: Lab) -> Sequence[Difference]:
    return [difference for verdict in lab.drift() for difference in verdict.differences]


@pytest.mark.parametrize("name", EDITS)
def test_an_altered_setting_is_found_named_and_reverted(lab: Lab, name: str) -> None:
    command, told = EDITS[name]
    assert found(lab) == []
    vsctl(lab, "hv1", *command.split())

    [difference] = found(lab)
    reverted = lab.revert()

    assert (difference.datapath, difference.part, difference.drift) == ("hv1", "setting", Drift.CHANGED)
    assert difference.held == told
    assert ([*reverted.undone], reverted.left) == ([difference], ())
    assert lab.check().status == "holds"


def test_in_band_control_is_found_even_when_it_hides_entries_and_is_reverted(lab: Lab) -> None:
    """Its entries are no part of OpenFlow's tables: a snapshot without them would be less than what is."""
    vsctl(lab, "hv1", "set", "bridge", "br-int", "other_config:disable-in-band=false")
    target = on(lab, "hv1", "ovs-vsctl", "--timeout=10", "get-controller", "br-int").strip()
    vsctl(lab, "hv1", "set-controller", "br-int", target, "ptcp:6677")
    with pytest.raises(LabError, match=r"hidden entry that outputs.*NORMAL"):
        until(lambda: lab.backend.snapshot() is None, "the hidden entries were not noticed")

    reverted = lab.revert()

    assert "hidden entry" in str(reverted)
    assert (reverted.left, found(lab)) == ((), [])
    assert on(lab, "hv1", "ovs-vsctl", "--timeout=10", "get-controller", "br-int").strip() == target
    assert lab.check().status == "holds"


def test_a_second_controller_is_found_and_sent_away(lab: Lab) -> None:
    target = on(lab, "hv2", "ovs-vsctl", "--timeout=10", "get-controller", "br-int").strip()
    vsctl(lab, "hv2", "set-controller", "br-int", target, "ptcp:6677")

    [difference] = found(lab)
    reverted = lab.revert()

    assert difference.held == f'bridge br-int: controller=["ptcp:6677","{target}"]'
    assert reverted.left == ()
    assert lab.check().status == "holds"


def test_the_control_a_tunnels_key_leaks_into_another_tenant_and_no_entry_shows_it(lab: Lab) -> None:
    """What red/vm1 sends to red/vm3 arrives at blue/vm3, which has its address; graph sees nothing."""
    vni = lab.scenario.network("blue/app").vni
    one, three = (lab.scenario.port(f"red/{name}") for name in ("vm1", "vm3"))
    nonce = b"\xf0sdnlab\x0fsettings"
    frame = Packet(src=one, dst=three, sport=9000, dport=81).frame(nonce)
    vsctl(lab, "hv1", "set", "interface", "tun", f"options:key={vni}")

    seen = lab.backend.exchange(
        Window(
            injections=(Injection(point=WatchPoint(kind=PointKind.PORT, name="red/vm1"), frame=frame),),
            timeout_ms=300,
        )
    )
    report = lab.check()
    lab.revert()

    assert {str(c.point) for c in seen.captures if c.point.kind is PointKind.PORT} == {"port:blue/vm3"}
    assert [c for c, status in report.summary.items() if status is Status.VIOLATED] == ["as_built/hv1"]
    assert lab.check().status == "holds"
