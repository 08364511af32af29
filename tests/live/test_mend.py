"""What dies in a lab that lives on is put right, and in no moment of it does anything open.

Rows LIFE-05 (the controller) and LIFE-07 (the switch); `test_life.py` has what else may become of them.
"""

import os
import re
import statistics
import sys

import pytest
from hand_made import arp_reply, window
from orders import kinds, protected
from remains import until
from siege import Siege

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.scenario import find, load

CONTROLLERS = int(os.environ.get("SDN_LAB_DEATHS", "3"))  # `make kills` asks for 20, and so for 5 switches
SWITCHES = -(-CONTROLLERS // 4)


def mending():
    return Lab(protected(), Options(backend="mininet", methods=("graph", "drift"), mend=True))


@pytest.fixture(scope="module")
def lab():
    """One lab, in which one thing after the other dies."""
    with mending() as running:
        yield running


def do(lab, hypervisor, *argv):
    child = lab.backend.spawn_on(hypervisor, argv)
    said = child.stdout.read() + child.last_words()
    child.kill()
    assert said == ""


def kill(lab, what, signal="KILL"):
    """Signal a process of the lab, by the name under which its daemon owns it."""
    do(lab, "hv1", "kill", f"-{signal}", str(lab.backend.processes()[what]))


def works(lab, number):
    seen = lab.backend.exchange(
        window([("port", "red/vm1", arp_reply("vm1", "vm3", number))], [("port", "red/vm3", number)])
    )
    return not seen.missing


def confirmed(lab):
    """What has been put right, and held by every datapath since: a switch that runs again is still empty."""
    return list(lab._mender._mended)


def restarted(lab):
    """What runs again."""
    return list(lab.mended)


def break_and_mend(lab, victims, mended=confirmed):
    """Kill one of *victims* after the other, each once the last was put right; return how it went.

    All the while packets are sent that must not arrive, 1,000 a second and more; none does, and what the
    datapaths hold in the end is what they held before.
    """
    before, already = lab.backend.snapshot(), len(mended(lab))
    with Siege(lab, kinds(lab.scenario)) as siege:
        for n, what in enumerate(victims, start=already + 1):
            kill(lab, what)
            siege.until(lambda n=n: len(mended(lab)) == n, f"{what} was not restarted")
    siege.assert_closed()
    assert siege.rate > 1000
    assert works(lab, 1)
    assert lab.backend.snapshot().hash == before.hash
    assert lab.check().status == "holds"
    return mended(lab)[already:], siege


def show(capsys, mended, siege):
    times = [m.ms for m in mended]
    median, most = statistics.median(times), max(times)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{mended[0].what}, and so on: {len(times)} times, put right in {median:.0f} ms (median), "
            f"{most:.0f} ms (most)\n{siege}\n"
        )


def test_a_controller_that_is_killed_opens_nothing_and_the_tables_are_what_they_were(lab, capsys):
    mended, siege = break_and_mend(lab, ["the controller"] * CONTROLLERS)

    assert all(re.fullmatch("the controller was ended by SIGKILL.*", m.what) for m in mended)
    show(capsys, mended, siege)


def test_a_switch_that_is_killed_stays_closed_until_it_is_told_again(lab, capsys):
    hypervisors = [f"hv{1 + n % 2}" for n in range(1, SWITCHES + 1)]

    mended, siege = break_and_mend(lab, [f"ovs-vswitchd of {name}" for name in hypervisors])

    assert [m.what for m in mended] == [f"ovs-vswitchd of {n} was ended by SIGKILL" for n in hypervisors]
    show(capsys, mended, siege)


def test_a_database_that_is_killed_is_restarted_with_all_it_held(lab):
    mended, _ = break_and_mend(lab, ["ovsdb-server of hv1"], restarted)

    assert [m.what for m in mended] == ["ovsdb-server of hv1 was ended by SIGKILL"]


def test_a_switch_that_would_open_while_it_restarts_is_found():
    """The control: it finds in its database neither controller nor fail mode, and forwards by itself."""
    forget = "ovs-vsctl", "--no-wait", "del-controller", "br-int", "--", "del-fail-mode", "br-int"
    switch = "ovs-vswitchd of hv1"
    with mending() as lab, Siege(lab, kinds(lab.scenario)) as siege:
        kill(lab, switch, "STOP")
        do(lab, "hv1", *forget)
        siege.assert_closed()
        kill(lab, switch)
        with pytest.raises(AssertionError, match="arrived at port:"):
            siege.until(lambda: False, "an open switch was not noticed")


def dies(lab, what):
    """Kill *what* in a lab and wait until the lab says so."""
    with lab:
        kill(lab, what)
        until(lambda: lab.backend.snapshot() is None, "the lab never said that anything died")


def test_what_cannot_be_restarted_still_fails_the_lab():
    lab = Lab(load(find("overlap")), Options(backend="mininet", methods=("graph",), mend=True))
    with pytest.raises(LabError, match="the shell of hypervisor hv1 was ended by SIGKILL"):
        dies(lab, "the shell of hypervisor hv1")


def test_a_lab_that_is_not_mended_fails_when_its_controller_dies():
    lab = Lab(load(find("overlap")), Options(backend="mininet", methods=("graph",)))
    with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
        dies(lab, "the controller")
