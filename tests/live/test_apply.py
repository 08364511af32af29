"""A lab on Open vSwitch is changed while packets are sent: what both scenarios deny never arrives.

Rows LIFE-02 (a rule, an approval) and LIFE-04 (a move); their controls are in `test_life.py`.

What is allowed throughout may be lost meanwhile; how much is printed, and how fast it went.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import pytest
from orders import of_pair
from services import TRY, said, service
from siege import Siege

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Window
from tests.unit.lab.probing import SYN, Kind, Pair, Tally, approval, frame, move, rule

CHANGES = int(os.environ.get("SDN_LAB_CHANGES", "20"))  # `make changes` asks for 100

KEEP = """
import socket, sys
server = socket.create_server((sys.argv[1], 5432))
print("listening", flush=True)
peer, _ = server.accept()
while data := peer.recv(1000):
    peer.sendall(data)
"""
TALK = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 5432), timeout=5)
peer.settimeout(1.0)
for line in sys.stdin:
    try:
        peer.sendall(line.encode())
        print(peer.recv(1000).decode().strip(), flush=True)
    except OSError as error:
        print("silence", flush=True)
"""


def arriving(lab: Lab, pair: Pair, kinds: tuple[Kind, ...]) -> int:
    """How many of *kinds*, sent once each, arrive where they should."""
    tally = Tally(pair)
    window = Window(injections=tally.injections(len(kinds), kinds), timeout_ms=100)
    tally.see(lab.backend.exchange(window).captures)
    return sum(tally.arrived.values())


@pytest.mark.parametrize(
    ("made", "times"),
    [(rule, CHANGES // 2), (move, CHANGES // 5), (approval, CHANGES // 5)],
    ids=["rule", "move", "approval"],
)
def test_while_it_changes_nothing_passes_that_both_scenarios_deny(made, times, capsys):
    pair = made()
    spent = []
    with Lab(pair.one, Options(backend="mininet", methods=("graph",))) as lab:
        with Siege(lab, of_pair(pair)) as siege:
            for _ in range(times):
                for scenario in (pair.other, pair.one):
                    applied = lab.apply(scenario)
                    spent.append(applied.total_ms)
                    siege.assert_closed()
        siege.assert_closed()
        assert siege.rate > 1000
        assert arriving(lab, pair, pair.allowed) == len(pair.allowed)
        assert lab.check().status == "holds"
    with capsys.disabled():
        sys.stdout.write(
            f"\n{pair.name}, {len(spent)} times on Open vSwitch, {statistics.median(spent):.0f} ms (median), "
            f"{max(spent):.0f} ms (most)\n{siege}\n"
        )


def test_what_only_one_scenario_allows_is_closed_when_apply_returns():
    """New connections and, with the kernels deaf, packets that go on with old ones."""
    pair = approval()
    goes_on = tuple(Kind(src=k.src, dst=k.dst, l4_port=k.l4_port, flags=0x10) for k in pair.only_one)
    both = Pair(
        name=pair.name,
        one=pair.one,
        other=pair.other,
        denied=(),
        allowed=(),
        only_one=(*pair.only_one, *goes_on),
    )
    with Lab(pair.one, Options(backend="mininet", methods=("graph",))) as lab:
        for _ in range(3):
            assert arriving(lab, both, pair.only_one) == len(pair.only_one)
            lab.apply(pair.other)
            assert arriving(lab, both, both.only_one) == 0
            lab.apply(pair.one)


def test_a_real_connection_ends_with_the_approval_that_allowed_it():
    pair = approval()
    address = str(pair.one.port("blue/vm1").ips[0])
    with Lab(pair.one, Options(backend="mininet", methods=("graph",))) as lab:
        with service(lab.backend, "blue/vm1", KEEP, address) as server:
            assert server.stdout.readline() == "listening\n", server.last_words()
            with service(lab.backend, "red/vm1", TALK, address) as client:
                assert ask(client, "hello") == "hello"

                applied = lab.apply(pair.other)

                assert applied.forgotten > 0
                assert ask(client, "still there?") == "silence"
        assert "unreachable" in said(lab.backend, "red/vm1", TRY, address, "5432")  # its route went as well


def ask(client, words):
    client.stdin.write(f"{words}\n")
    client.stdin.flush()
    return client.stdout.readline().strip()


def test_a_moved_instance_takes_its_processes_with_it():
    pair = move()
    address = str(pair.one.port("red/vm2").ips[0])
    server = KEEP.replace("5432", "80")
    client = TALK.replace("5432", "80")
    options = Options(backend="mininet", methods=("graph",))
    with Lab(pair.one, options) as lab, service(lab.backend, "red/vm2", server, address) as there:
        assert there.stdout.readline() == "listening\n", there.last_words()
        for scenario, hypervisor in ((pair.other, "hv3"), (pair.one, "hv1")):
            lab.apply(scenario)
            assert lab.assignment.locate("red/vm2")[0].hypervisor == hypervisor
            assert there.poll() is None
        with service(lab.backend, "red/vm1", client, address) as here:
            assert ask(here, "at home again") == "at home again"


def test_an_instance_that_goes_leaves_no_process_and_no_interface():
    pair = move()
    fewer = pair.one.__class__(
        **{
            name: getattr(pair.one, name)
            for name in ("name", "tenants", "underlay", "networks", "security_groups")
        },
        ports=tuple(p for p in pair.one.ports if p.path != "red/vm2"),
    )
    with Lab(pair.one, Options(backend="mininet", methods=("graph",))) as lab:
        peer = f"p{lab.assignment.locate('red/vm2')[1].of_port}"
        child = lab.backend.spawn_at("red/vm2", ["sleep", "1000"])
        assert peer in links(lab, "hv1")

        lab.apply(fewer)

        assert peer not in links(lab, "hv1")
        deadline = time.monotonic() + 5
        while child.poll() is None:
            assert time.monotonic() < deadline, "its process outlived it"
        assert "red/vm2" not in str(lab.backend.processes())


def links(lab, hypervisor):
    child = lab.backend.spawn_on(hypervisor, ["ip", "-o", "link"])
    told = child.stdout.read()
    child.kill()
    return told


@pytest.mark.parametrize("spoilt", ["taken", "gone"])
def test_a_move_that_fails_half_way_leaves_the_lab_closed_and_can_be_mended(spoilt):
    """Planted: the name that its interface is to have is taken; the interface is gone."""
    pair = move()
    with Lab(pair.one, Options(backend="mininet", methods=("graph",))) as lab:
        taken = lab.assignment.datapaths["hv3"].ever + 100  # what vm2's port on hv3 is going to be called
        spoil = ["ip", "link", "add", f"p{taken}", "type", "bridge"]
        if spoilt == "gone":
            of_port = lab.assignment.locate("red/vm2")[1].of_port
            spoil = ["ip", "link", "delete", f"p{of_port}"]
        host = "hv1" if spoilt == "gone" else "hv3"
        lab.backend.spawn_on(host, spoil).stdout.read()

        with pytest.raises(LabError, match=r"the change failed \(attach\)"):
            lab.apply(pair.other)

        assert lab.closed
        assert arriving(lab, pair, pair.allowed[:1]) == 1
        lab.backend.spawn_on("hv3", ["ip", "link", "delete", f"p{taken}"]).stdout.read()
        lab.apply(pair.one)
        assert arriving(lab, pair, pair.allowed) == len(pair.allowed)
        assert lab.check().status == "holds"


def test_frames_are_as_the_senders_kernel_would_send_them():
    pair = approval()
    (kind, *_) = pair.only_one
    sent = frame(pair.one, kind, 20000, b"x")

    assert sent[:6] != bytes.fromhex(pair.one.port(kind.dst).mac.replace(":", ""))
    assert kind.flags == SYN
