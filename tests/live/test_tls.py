"""Who may join a lab on real Open vSwitch: the right switch under its own name, over TLS, and nobody else."""

import sys

import pytest
from hand_made import arp_reply, nonce, sightings, window
from remains import until

from sdn_lab.lab import Lab, Options
from sdn_lab.pki import Authority
from sdn_lab.scenario import find, load
from tests.unit.control import rogue

FORBIDDEN = {"flow-mod", "multipart request", "kept open"}


@pytest.fixture(scope="module")
def lab():
    with Lab(load(find("overlap")), Options(backend="mininet", methods=("graph", "drift"))) as running:
        yield running


def on_hv2(lab, argv, said=""):
    """What a program on hv2 prints; hv2 is in other hands now."""
    child = lab.backend.spawn_on("hv2", argv)
    child.stdin.write(said)
    child.stdin.close()
    told = child.stdout.read()
    until(lambda: child.poll() is not None, "the program did not end")
    assert child.poll() == 0, child.last_words()
    return told


def join_as(lab, dpid, proof):
    there = [lab.controller.host, str(lab.controller.l4_port)]
    return on_hv2(lab, [sys.executable, rogue.__file__, *there, dpid], proof).splitlines()


def refused(lab, heard, sentence):
    assert not FORBIDDEN & set(heard), heard
    until(lambda: any(sentence in text for text in lab.controller.said), str(lab.controller.said))
    assert sum(sentence in text for text in lab.controller.said) == 1
    assert lab.check().status == "holds"


def test_the_lab_itself_speaks_tls_and_its_keys_are_in_its_own_memory(lab):
    told = on_hv2(lab, ["ovs-vsctl", "--timeout=10", "--bare", "--columns=target", "list", "controller"])
    assert told.strip() == f"ssl:{lab.controller.host}:{lab.controller.l4_port}"
    kind = on_hv2(lab, ["sh", "-c", 'stat --file-system --format=%T "$OVS_RUNDIR"; ls "$OVS_RUNDIR"'])
    assert kind.split()[0] == "tmpfs"
    assert "key.pem" in kind.split()
    mode = on_hv2(lab, ["sh", "-c", 'stat --format=%a "$OVS_RUNDIR/key.pem"'])
    assert mode.strip() == "600"


def test_packet_ins_are_seen_though_the_wire_is_encrypted(lab):
    entry = "table=0,priority=60000,actions=CONTROLLER:65535"
    ofctl = ["ovs-ofctl", "-O", "OpenFlow13"]
    on_hv2(lab, [*ofctl, "add-flow", "br-int", entry])
    try:
        frames = [("port", "red/vm3", arp_reply("vm1", "vm2", n)) for n in (1, 2)]
        seen = lab.backend.exchange(window(frames, [("packet_in", "hv2", n) for n in (1, 2)]))
        assert sightings(seen) == {nonce(n): {"packet_in:hv2"} for n in (1, 2)}
    finally:
        on_hv2(lab, [*ofctl, "--strict", "del-flows", "br-int", "table=0,priority=60000"])
    assert lab.check().status == "holds"


def test_a_switch_without_certificate_is_refused(lab):
    heard = join_as(lab, lab.identities["hv1"].name, "")
    refused(lab, heard, "refused: it showed no certificate")


def test_a_switch_with_another_labs_certificate_is_refused(lab):
    dpid = lab.identities["hv1"].name
    stranger = Authority().switch(dpid)
    heard = join_as(lab, dpid, stranger.certificate + stranger.key)
    refused(lab, heard, "refused: its certificate is not one of this lab's switches'")


def test_a_real_switch_that_takes_its_neighbours_datapath_id_is_refused(lab):
    """A second bridge on hv2's Open vSwitch, with hv2's certificate and hv1's name."""
    victim = lab.identities["hv1"].name
    target = f"ssl:{lab.controller.host}:{lab.controller.l4_port}"
    made = (
        "ovs-vsctl --timeout=10 add-br br-evil -- set bridge br-evil datapath_type=netdev fail_mode=secure "
        f"protocols=OpenFlow13 other_config:datapath-id={victim} -- set-controller br-evil {target}"
    )
    on_hv2(lab, ["sh", "-ec", made])
    try:
        refused(lab, [], "refused: it says that it is hv1")
        entries = on_hv2(lab, ["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br-evil"])
        assert "actions=" not in entries, "it was told its neighbour's tables"
    finally:
        on_hv2(lab, ["ovs-vsctl", "--timeout=10", "del-br", "br-evil"])
    assert {*lab.controller._joined} == {identity.name for identity in lab.identities.values()}


def test_open_vswitch_does_not_believe_another_controller(lab):
    """One that listens on the management network with another authority's certificate is never spoken to."""
    from sdn_lab.control.controller import Controller

    stranger = Controller(
        lab.backend.spawn,
        app="overlay",
        host=lab.controller.host,
        l4_port=0,
        scenario=lab.scenario,
        assignment=lab.assignment,
        identity=Authority().controller(),
    )
    stranger.start()
    there = f"ssl:{stranger.host}:{stranger.l4_port}"
    ours = f"ssl:{lab.controller.host}:{lab.controller.l4_port}"
    try:
        on_hv2(lab, ["ovs-vsctl", "--timeout=10", "set-controller", "br-int", there])
        until(lambda: any("does not believe" in text for text in stranger.said), "hv2 was not heard of")
        assert not stranger._joined
    finally:
        on_hv2(lab, ["ovs-vsctl", "--timeout=10", "set-controller", "br-int", ours])
        stranger.stop()
    dpid = lab.identities["hv2"].name
    until(lambda: dpid in lab.controller._joined, "hv2 did not come back to its own controller")
