"""A real TCP service under the overlay controller: it works where a group allows it, and only there."""

import pytest
from services import CLIENT, SERVER, TRY, said, service

from sdn_lab.backends import load_backend
from sdn_lab.compiler import compile_scenario
from sdn_lab.control.controller import Controller
from sdn_lab.lab import silent
from sdn_lab.model.assignment import assign
from sdn_lab.scenario import find, load

ADDRESSES = ["10.0.0.13", "fd00:a::13"]  # red/vm3 on hv2, and blue/vm3 as well


@pytest.fixture(scope="module")
def lab():
    scenario = load(find("overlap"))
    assignment = assign(scenario)
    with load_backend("mininet").start(scenario, assignment, seed=0, progress=silent) as lab:
        controller = Controller(
            lab.spawn,
            app="overlay",
            host=lab.controller_host,
            l4_port=0,
            scenario=scenario,
            assignment=assignment,
            program=compile_scenario(scenario, assignment),
        )
        controller.start()
        lab.connect(controller.host, controller.l4_port, controller.settle)
        controller.wait_confirmed(timeout_ms=60_000, progress=silent)
        yield lab
        controller.stop()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("client", ["red/vm1", "red/vm4"])
def test_a_bulk_transfer_to_an_allowed_port_arrives_intact(lab, client, address):
    """From another hypervisor, and from the other site by a port that itself admits nothing."""
    with service(lab, "red/vm3", SERVER, address, "80") as server:
        assert server.stdout.readline() == "listening\n", server.last_words()
        assert said(lab, client, CLIENT, address, "80", str(4 << 20)) == "intact"
        assert server.stdout.readline() == "served\n"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_port_that_no_rule_allows_is_silent_though_somebody_listens(lab, address):
    with service(lab, "red/vm3", SERVER, address, "8080") as server:
        assert server.stdout.readline() == "listening\n", server.last_words()
        assert said(lab, "red/vm1", TRY, address, "8080") == "silence"
        assert server.poll() is None


@pytest.mark.parametrize("address", ["10.0.0.14", "fd00:a::14"])
def test_an_instance_without_a_group_admits_nobody_though_it_listens(lab, address):
    with service(lab, "red/vm4", SERVER, address, "80") as server:
        assert server.stdout.readline() == "listening\n", server.last_words()
        assert said(lab, "red/vm1", TRY, address, "80") == "silence"
        assert server.poll() is None


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_other_tenant_reaches_its_own_instance_at_that_address(lab, address):
    """Blue's vm3 serves nothing, so blue is refused by it; red's server hears nothing of it."""
    with service(lab, "red/vm3", SERVER, address, "80") as server:
        assert server.stdout.readline() == "listening\n", server.last_words()
        assert said(lab, "blue/vm1", TRY, address, "80") == "[Errno 111] Connection refused"
        assert server.poll() is None
