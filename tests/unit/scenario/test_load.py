"""What a file means: every form of the language, as values."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    Link,
    NetworkRemote,
    PortRange,
    Protocol,
    Rule,
    Wish,
)
from sdn_lab.scenario import load, loads
from sdn_lab.scenario.derive import MAX_VNI, derived_mac, derived_vni

FULL = """\
version: 1
name: full
underlay:
  encap: geneve
  mtu: 1600
  sites: {west: [hv3], east: [hv2, hv1]}
  links: [{between: [west, east], delay: 20ms, rate: 1.5gbit, loss: 0.1%}, {between: [hv1, spine1]}]
tenants:
  red:
    networks:
      web: {cidr: [10.1.0.0/24, "fd00:1::/64"], vni: 5001, broadcast: false}
      db: {cidr: 10.2.0.0/24}
    security_groups:
      db:
        egress: deny
        rules:
          - direction: ingress
            protocol: tcp
            ports: [22, 8000-8080]
            remote: {cidr: 10.1.0.0/16, except: [10.1.9.0/24]}
          - {direction: ingress, protocol: icmp, types: {v4: [8]},
             remote: [{network: web}, {group: none}, any]}
          - {direction: egress, protocol: sctp, ports: "443", remote: []}
          - {direction: egress}
      none: []
    instances:
      fw:
        hypervisor: hv1
        ports:
          eth0: {network: web, ip: [10.1.0.9]}
          eth1: {network: db, ip: 10.2.0.9, mac: "02:00:00:00:00:AA", groups: [none, db]}
      one: {hypervisor: hv3, ports: {eth0: {network: db, ip: 10.2.0.10, groups: db}}}
      vm: {network: web, hypervisor: hv2, ip: ["fd00:1::5", 10.1.0.5], groups: none}
intents:
  - {reachable: {from: red/fw:eth0, to: red/vm, protocol: tcp, ports: [80, 443]}}
  - {unreachable: {from: red/one, to: red/fw:eth0}}
  - {redundant: {between: [west, east]}}
"""


@pytest.fixture(scope="module")
def full():
    return loads(FULL, "full.yaml")


def test_underlay(full):
    underlay = full.underlay
    assert (underlay.encap, underlay.mtu, underlay.inner_mtu) == ("geneve", 1600, 1550)
    assert underlay.sites == {"east": ("hv1", "hv2"), "west": ("hv3",)}
    assert underlay.hypervisors == ("hv1", "hv2", "hv3")
    assert underlay.links == (
        Link(between=("east", "west"), delay_ms=20.0, rate_bps=1_500_000_000, loss=0.001),
        Link(between=("hv1", "spine1")),
    )


def test_networks(full):
    web, db = full.network("red/web"), full.network("red/db")
    assert web.cidrs == (ip_network("10.1.0.0/24"), ip_network("fd00:1::/64"))
    assert web.vni == 5001
    assert db.cidrs == (ip_network("10.2.0.0/24"),)
    assert db.vni == derived_vni("red/db")


def test_ports(full):
    assert [p.path for p in full.ports] == ["red/fw:eth0", "red/fw:eth1", "red/one", "red/vm"]
    eth0, eth1, one, vm = full.ports
    assert (eth0.instance, eth1.instance, one.instance) == ("red/fw", "red/fw", "red/one")
    assert (eth0.hypervisor, one.hypervisor) == ("hv1", "hv3")
    assert eth1.mac == "02:00:00:00:00:aa"
    assert eth0.mac == derived_mac("red/fw:eth0")
    assert eth1.groups == ("red/db", "red/none")
    assert eth0.groups == ()
    assert vm.ips == (ip_address("10.1.0.5"), ip_address("fd00:1::5"))


def test_groups(full):
    db, none = full.security_group("red/db"), full.security_group("red/none")
    assert db.egress_deny
    assert none.rules == ()
    assert not none.egress_deny
    assert db.rules == (
        Rule(
            path="red/db/rules/0",
            direction=Direction.INGRESS,
            protocol=Protocol.TCP,
            l4_ports=(PortRange(first=22, last=22), PortRange(first=8000, last=8080)),
            remotes=(CidrRemote(cidr=ip_network("10.1.0.0/16"), excluded=(ip_network("10.1.9.0/24"),)),),
        ),
        Rule(
            path="red/db/rules/1",
            direction=Direction.INGRESS,
            protocol=Protocol.ICMP,
            icmp_types_v4=(8,),
            icmp_types_v6=(),  # a family that `types` does not name is not admitted
            remotes=(NetworkRemote(network="red/web"), GroupRemote(group="red/none"), AnyRemote()),
        ),
        Rule(
            path="red/db/rules/2",
            direction=Direction.EGRESS,
            protocol=Protocol.SCTP,
            l4_ports=(PortRange(first=443, last=443),),
            remotes=(),
        ),
        Rule(
            path="red/db/rules/3", direction=Direction.EGRESS, protocol=Protocol.ANY, remotes=(AnyRemote(),)
        ),
    )


def test_intents(full):
    assert full.wishes == (
        Wish(
            kind="reachable",
            subject="red/fw:eth0",
            object_="red/vm",
            protocol=Protocol.TCP,
            l4_ports=(PortRange(first=80, last=80), PortRange(first=443, last=443)),
        ),
        Wish(kind="unreachable", subject="red/one", object_="red/fw:eth0"),
        Wish(kind="redundant", subject="east", object_="west"),
    )
    assert str(full.wishes[0].span) == "full.yaml:35:6"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("network:red/db", "db: {cidr"),
        ("group:red/db", "db:\n"),
        ("red/db", "db:\n"),  # alone: the group before the network
        ("red/web", "web: {cidr"),
        ("red/db/rules/1", "direction: ingress, protocol: icmp"),
        ("rule:red/db/rules/3", "direction: egress}"),
        ("red/fw:eth1", "eth1: {network"),
        ("red/one", "eth0: {network: db"),
        ("port:red/vm", "vm: {network"),
        ("hv2", "hv2, hv1]"),
        ("hypervisor:hv3", "hv3]"),
        ("site:east", "east: [hv2"),
        ("west", "west: [hv3]"),
    ],
)
def test_sources_lead_back_to_the_text(full, path, text):
    span = full.sources[path]
    start = FULL.splitlines(keepends=True)[span.line - 1][span.column - 1 :].lstrip("{")
    assert start.startswith(text)


def test_every_object_has_a_source(full):
    objects = [
        *(n.path for n in full.networks),
        *(p.path for p in full.ports),
        *(g.path for g in full.security_groups),
        *(r.path for g in full.security_groups for r in g.rules),
        *full.underlay.hypervisors,
        *full.underlay.sites,
    ]
    assert set(objects) <= set(full.sources)


def test_order_and_layout_of_the_file_do_not_matter(full):
    swapped = FULL.replace(
        "{west: [hv3], east: [hv2, hv1]}", "\n    east:\n      - hv1\n      - hv2\n    west: [hv3]"
    )
    swapped = swapped.replace("groups: [none, db]", "groups: [db, none]").replace("[80, 443]", '[443, "80"]')
    assert swapped != FULL
    assert loads(swapped, "other.yaml") == full


def test_an_aliased_tenant_is_a_tenant_of_its_own():
    text = (
        FULL.replace("  red:\n", "  red: &t\n")
        .replace(", vni: 5001", "")
        .replace("intents:", "  blue: *t\nintents:")
    )
    scenario = loads(text, "x.yaml")

    assert scenario.tenants == ("blue", "red")
    red, blue = scenario.port("red/vm"), scenario.port("blue/vm")
    assert (blue.network, blue.groups, blue.ips) == ("blue/web", ("blue/none",), red.ips)
    assert blue.mac != red.mac  # derived from the path
    assert len({n.vni for n in scenario.networks}) == 4


def test_a_tenant_may_be_empty():
    text = "version: 1\nname: x\nunderlay: {sites: {east: [hv1]}}\ntenants: {red: {}}\n"
    assert loads(text, "x").ports == ()


def test_a_mistake_in_an_aliased_tenant_is_told_once_and_names_the_alias():
    text = (
        FULL.replace("  red:\n", "  red: &t\n")
        .replace(", vni: 5001", "")
        .replace("intents:", "  blue: *t\nintents:")
    )
    with pytest.raises(InputError) as caught:
        loads(text.replace("ip: 10.2.0.9", "ip: 10.3.0.9"), "x.yaml")

    (found,) = caught.value.diagnostics
    assert found.code == "SCN017"
    assert "10.3.0.9" in found.source_line
    assert [str(span) for _, span in found.also] == ["x.yaml:34:9"]


def test_a_refused_part_is_not_blamed_on_those_who_refer_to_it():
    text = FULL.replace("cidr: 10.2.0.0/24", "cidr: 10.2.0.0/33")
    with pytest.raises(InputError) as caught:
        loads(text, "x.yaml")
    assert [d.code for d in caught.value.diagnostics] == ["SCN013"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hypervisor: hv2", "hypervisor: 5"),
        ('ip: ["fd00:1::5", 10.1.0.5]', "ip: x"),
        ("egress: deny", "egress: open"),
        ("sites: {west: [hv3], east: [hv2, hv1]}", "sites: []"),
        ("tenants:", "tenants: 5\nx_tenants:"),
        ("eth1: {network: db", "eth1: {network: [db]"),
    ],
)
def test_one_mistake_is_one_diagnostic(old, new):
    assert old in FULL
    with pytest.raises(InputError) as caught:
        loads(FULL.replace(old, new), "x.yaml")
    found = [d.code for d in caught.value.diagnostics if "x_tenants" not in d.what]
    assert len(found) == 1


def test_one_bad_file_leaves_nothing_behind_for_the_next(full):
    for _ in range(2):
        for old, new in (
            ("sites: {west: [hv3], east: [hv2, hv1]}", "sites: 5"),
            ("mtu: 1600", "mtu: x\n  sites: 5"),
        ):
            with pytest.raises(InputError):
                loads(FULL.replace(old, new), "x.yaml")
        with pytest.raises(InputError, match="underlay"):
            loads("version: 1\nname: x\nunderlay: 5\ntenants: 5\n", "x.yaml")
    assert loads(FULL, "full.yaml") == full


def test_bytes_on_disk(tmp_path):
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert load(file) == loads(FULL, "full.yaml")
    with pytest.raises(InputError, match="SCN045"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="SCN045"):
        load(Path(tmp_path))


@pytest.mark.parametrize("n", range(200))
def test_derived_numbers_are_usable(n):
    assert 1 <= derived_vni(f"t{n}/app") <= MAX_VNI
    assert int(derived_mac(f"t{n}/vm")[:2], 16) & 0b11 == 0b10  # locally administered, unicast


def test_derived_numbers_never_change():
    """They are on disk, in cookies and in people's notes: a new hash would rename everything."""
    assert derived_vni("red/app") == 11425822
    assert derived_mac("red/vm1") == "02:77:ff:df:42:d5"


def test_two_derived_vnis_that_collide_are_diagnosed(monkeypatch):
    monkeypatch.setattr("sdn_lab.scenario.networks.derived_vni", lambda path: 7)
    with pytest.raises(InputError) as caught:
        loads(FULL.replace(", vni: 5001", ""), "x.yaml")
    assert [d.code for d in caught.value.diagnostics] == ["SCN022"]
    assert "write a 'vni' here" in caught.value.diagnostics[0].fix


def test_two_derived_macs_that_collide_are_diagnosed(monkeypatch):
    monkeypatch.setattr("sdn_lab.scenario.ports.derived_mac", lambda path: "02:00:00:00:00:01")
    with pytest.raises(InputError) as caught:
        loads(FULL, "x.yaml")
    assert [d.code for d in caught.value.diagnostics] == ["SCN019"]  # eth0 and vm share a network
