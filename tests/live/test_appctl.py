"""On a hypervisor ``ovs-appctl`` works as on any machine: the daemons are found by their names."""

import pytest
from remains import until

from sdn_lab.backends.mininet.kernel_datapath import lost_upcalls
from sdn_lab.lab import Lab, Options
from sdn_lab.scenario import find, load


@pytest.fixture(scope="module")
def lab():
    options = Options(backend="mininet", methods=("graph",), mend=True)
    with Lab(load(find("overlap")), options) as running:
        yield running.backend


def said(child):
    """Return what a program printed, to its end."""
    with child.stdout:
        printed = child.stdout.read()
    until(lambda: child.poll() is not None, "the program goes on")
    return child.poll(), printed


def appctl(lab, *words):
    return said(lab.spawn_on("hv1", ["ovs-appctl", *words]))


def test_both_daemons_answer_without_a_path(lab):
    assert appctl(lab, "ofproto/list") == (0, "br-int\nbr-phy\n")
    status, databases = appctl(lab, "-t", "ovsdb-server", "ovsdb-server/list-dbs")
    assert (status, sorted(databases.split())) == (0, ["Open_vSwitch", "_Server"])


def test_what_is_tracked_can_be_looked_at(lab):
    assert said(lab.spawn_at("red/vm1", ["ping", "-c", "1", "-W", "5", "10.0.0.13"]))[0] == 0
    status, tracked = appctl(lab, "dpctl/dump-conntrack")
    assert status == 0
    assert "icmp,orig=(src=10.0.0.11,dst=10.0.0.13," in tracked


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_a_daemon_that_was_restarted_is_found_again(lab, daemon):
    before = len(lab.mended())
    kill = f'kill -9 "$(cat "$OVS_RUNDIR/{daemon}.pid")"'
    assert said(lab.spawn_on("hv1", ["sh", "-c", kill])) == (0, "")
    until(lambda: len(lab.mended()) > before, "it was not restarted", 30)
    assert appctl(lab, "-t", daemon, "version")[1].startswith(f"{daemon} (Open vSwitch)")


def test_what_a_datapath_lost_can_be_read(lab):
    """The words are those of the kernel's datapath too, which this machine may not have."""
    status, shown = appctl(lab, "dpctl/show")
    assert (status, lost_upcalls(shown)) == (0, 0)
