"""Who is the same instance stays or moves; anybody else goes or comes, with all its ports."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.intent import Port, Scenario, Underlay
from sdn_lab.model.succession import Succession, succeed, succession

HYPERVISORS = ("hv1", "hv2")


def port(instance: str, hypervisor: str = "hv1", leg: str = "", last: int = 1) -> Port:
    return Port(
        path=f"red/{instance}{leg}",
        tenant="red",
        instance=instance,
        network="red/app",
        hypervisor=hypervisor,
        mac=f"02:00:00:00:00:{last:02x}",
        ips=(IPv4Address(f"10.0.0.{last}"),),
    )


def scenario(*ports: Port) -> Scenario:
    return Scenario(name="s", tenants=("red",), underlay=Underlay(sites={"here": HYPERVISORS}), ports=ports)


def change(old: Scenario, new: Scenario) -> tuple[Succession, Assignment, Assignment]:
    before = assign(old)
    after = succeed(old, before, new)
    return succession(old, before, new, after), before, after


def names(instances: object) -> list[str]:
    return [name for _, name in instances]  # type: ignore[attr-defined]


STAYS, FIREWALL = port("vm1"), (port("fw", leg=":eth0", last=8), port("fw", leg=":eth1", last=9))


def test_what_is_as_it_was_stays_and_nothing_is_to_be_done() -> None:
    todo, before, after = change(scenario(STAYS, *FIREWALL), scenario(STAYS, *FIREWALL))

    assert (names(todo.stayed), bool(todo)) == (["fw", "vm1"], False)
    assert before == after


def test_another_hypervisor_is_a_move() -> None:
    todo, _, after = change(scenario(STAYS), scenario(replace(STAYS, hypervisor="hv2")))

    assert (names(todo.moved), names(todo.gone), names(todo.came)) == (["vm1"], [], [])
    assert after.locate("red/vm1")[0].hypervisor == "hv2"


def test_groups_are_no_part_of_who_an_instance_is() -> None:
    todo, before, after = change(scenario(STAYS), scenario(replace(STAYS, groups=("red/web",))))

    assert not todo
    assert before == after


def test_another_address_mac_or_network_is_another_instance_under_new_numbers() -> None:
    for new in (
        replace(STAYS, ips=(IPv4Address("10.0.0.77"),)),
        replace(STAYS, mac="02:00:00:00:00:77"),
        replace(STAYS, network="red/db"),
    ):
        todo, before, after = change(scenario(STAYS), scenario(new))

        assert (names(todo.gone), names(todo.came), names(todo.moved)) == (["vm1"], ["vm1"], [])
        assert after.locate("red/vm1")[1].of_port > before.locate("red/vm1")[1].of_port


def test_all_legs_share_what_becomes_of_one() -> None:
    eth0, eth1 = FIREWALL
    todo, before, after = change(scenario(eth0, eth1), scenario(eth0, replace(eth1, mac="02:00:00:00:00:77")))

    assert (names(todo.gone), names(todo.came)) == (["fw"], ["fw"])
    assert after.locate("red/fw:eth0")[1] != before.locate("red/fw:eth0")[1]


def test_a_leg_more_or_less_is_another_instance() -> None:
    todo, _, _ = change(scenario(*FIREWALL), scenario(FIREWALL[0]))

    assert (names(todo.gone), names(todo.came)) == (["fw"], ["fw"])


def test_numbers_that_a_failed_change_left_behind_are_a_move_on_the_spot() -> None:
    """After a failure the lab may be held to numbers that nobody carried out."""
    held = assign(scenario(STAYS))
    wanted = assign(scenario(STAYS), held.without({"red/vm1"}))

    todo = succession(scenario(STAYS), held, scenario(STAYS), wanted)

    assert names(todo.moved) == ["vm1"]
