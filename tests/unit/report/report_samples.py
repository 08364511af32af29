"""Small reports made by hand, one per thing that a report may have to say."""

from __future__ import annotations

from ipaddress import ip_address

from sdn_lab.model.intent import Scenario
from sdn_lab.model.traffic import TCP, Allowance, PairSemantics, Traffic
from sdn_lab.model.verdict import Claim, Counterexample, Kind, Report, Status, Step, Verdict
from sdn_lab.scenario import loads
from sdn_lab.verify.agree import sum_up

SCENARIO = """\
version: 1
name: twins
underlay:
  sites: {east: [hv1, hv2]}
tenants:
  red: &tenant
    networks: {app: {cidr: [10.0.0.0/24]}}
    security_groups: {web: [{direction: ingress, protocol: tcp, ports: [22, 8000-8080]}]}
    instances:
      vm1: {network: app, hypervisor: hv1, ip: [10.0.0.1], mac: "02:00:00:00:00:01", groups: [web]}
      vm2: {network: app, hypervisor: hv2, ip: [10.0.0.2], mac: "02:00:00:00:00:02"}
  blue: *tenant
"""
VIOLATED, HOLDS, UNKNOWN = Status.VIOLATED, Status.HOLDS, Status.UNKNOWN
EVERY = "every header, by over-approximation of 34 entries"
PORTS = ("blue/vm1", "blue/vm2", "red/vm1", "red/vm2")
ISOLATED = Claim(id="isolated/blue/app/red/app", kind=Kind.ISOLATED, objects=("blue/app", "red/app"))
SEGMENTED = Claim(id="segmented", kind=Kind.SEGMENTED)


def scenario() -> Scenario:
    return loads(SCENARIO, "twins.yaml")


def exact(src: str, dst: str) -> Claim:
    """vm1 of each tenant admits two ports; vm2 admits nothing."""
    new = Traffic()
    if dst.endswith("vm1"):
        box = Allowance(
            src=ip_address("10.0.0.2"),
            dst=ip_address("10.0.0.1"),
            protocol=TCP,
            l4_ports=((22, 22), (8000, 8080)),
        )
        new = Traffic(allowances=(box,))
    held = PairSemantics(new=new, egress=Traffic(), reverse_new=Traffic(), reverse_egress=Traffic())
    return Claim(id=f"exact/{src}/{dst}", kind=Kind.EXACT, objects=(src, dst), semantics=held)


EXACT = tuple(exact(s, d) for s in PORTS for d in PORTS if s != d and s.split("/")[0] == d.split("/")[0])
CLAIMS = (ISOLATED, *EXACT, SEGMENTED)
LEAK = Counterexample(
    src="red/vm1",
    dst="blue/vm1",
    packet_hex="020000000001020000000001" + "0800",
    packet="IPv4 10.0.0.1:40001 > 10.0.0.1:40002 UDP",
    path=(
        Step(
            datapath="hv1",
            table=0,
            entry="table=0, in_port=101 actions=goto_table:70",
            origin="classify: port red/vm1 (twins.yaml:10)",
        ),
        Step(datapath="hv1", table=70, entry="table=70, priority=0 actions=output:100"),
    ),
    replayed={"sim": True},
)


def verdict(claim: Claim, method: str, status: Status, **more: object) -> Verdict:
    covers = EVERY if method == "graph" else "24 probes on Open vSwitch 3.1.0"
    made = {"covers": covers if status is not UNKNOWN else "", "ms": 1.5, **more}
    return Verdict(claim=claim.id, kind=claim.kind, method=method, status=status, **made)


def _sound() -> list[Verdict]:
    return [
        verdict(ISOLATED, "graph", HOLDS),
        *(verdict(claim, "probe", HOLDS) for claim in (ISOLATED, *EXACT)),
        verdict(SEGMENTED, "graph", HOLDS),
    ]


def _made(verdicts: list[Verdict], **more: object) -> Report:
    more.setdefault("information", ("hv1 is shared by tenants blue, red",))
    more.setdefault("environment", {"versions": {"sdn_lab": "0.1.0"}})
    return sum_up("twins", "sim", CLAIMS, verdicts, ("graph", "probe"), timings_ms={"graph": 12.5}, **more)


def holds() -> Report:
    return _made(_sound())


def violated() -> Report:
    """Red's packet is seen by blue; and what blue's group allows does not arrive."""
    dead = Counterexample(
        src="blue/vm2",
        dst="blue/vm1",
        packet_hex="00",
        packet="TCP to 22",
        before=(("blue/vm1", LEAK.packet_hex),),
        arrives=False,
    )
    return _made(
        [
            verdict(ISOLATED, "graph", VIOLATED, reason="red/vm1 reaches blue/vm1", counterexample=LEAK),
            verdict(ISOLATED, "probe", VIOLATED, reason="seen at blue/vm1", counterexample=LEAK),
            *(
                verdict(c, "probe", VIOLATED, counterexample=dead)
                if c.objects == ("blue/vm2", "blue/vm1")
                else verdict(c, "probe", HOLDS)
                for c in EXACT
            ),
            verdict(SEGMENTED, "graph", VIOLATED, reason="joined: blue/app + red/app", counterexample=LEAK),
        ]
    )


def unknown() -> Report:
    return _made(
        [
            verdict(ISOLATED, "graph", UNKNOWN, reason="whether hv1 table 70 priority 100 applies"),
            *(verdict(claim, "probe", HOLDS) for claim in EXACT[:-1]),
        ]
    )


def disagreement() -> Report:
    seen = verdict(ISOLATED, "probe", VIOLATED, reason="seen at blue/vm1", counterexample=LEAK)
    return _made([seen, *(v for v in _sound() if (v.claim, v.method) != (seen.claim, "probe"))])


def failed() -> Report:
    return _made([], error="ovs-vswitchd of hv2 died", information=())


def chosen() -> Report:
    """By graph alone."""
    verdicts = [verdict(ISOLATED, "graph", HOLDS), verdict(SEGMENTED, "graph", HOLDS)]
    return sum_up("twins", "sim", CLAIMS, verdicts, ("graph",))


SAMPLES = {
    "holds": holds,
    "violated": violated,
    "unknown": unknown,
    "disagreement": disagreement,
    "failed": failed,
    "chosen": chosen,
}
EXITS = {"holds": 0, "violated": 1, "unknown": 3, "disagreement": 4, "failed": 6, "chosen": 0}
EVIL = "red\x1b[2J\u202e]]>\x00&<vm>\nvm1"


def evil() -> Report:
    """Everything that a name or a reason can do to a terminal or an XML parser."""
    claim = Claim(id=f"clean/{EVIL}", kind=Kind.CLEAN, objects=(EVIL,))
    step = Step(datapath=EVIL, table=0, entry=EVIL, origin=EVIL)
    shown = Counterexample(
        src=EVIL,
        dst=EVIL,
        packet_hex="00",
        packet=EVIL,
        path=(step,),
        before=((EVIL, "00"),),
        replayed={EVIL: False},
    )
    held = Verdict(
        claim=claim.id,
        kind=claim.kind,
        method="probe",
        status=VIOLATED,
        reason=EVIL,
        counterexample=shown,
        covers=EVIL,
        ms=float("nan"),
    )
    return sum_up(
        EVIL,
        EVIL,
        (claim, Claim(id=f"exact/{EVIL}", kind=Kind.EXACT)),
        [held],
        ("probe",),
        information=(EVIL,),
        environment={"versions": {EVIL: EVIL}, "odd": {1: float("inf"), "set": {2, 1}, "path": Status.HOLDS}},
        timings_ms={"probe": float("inf")},
        error=EVIL,
    )
