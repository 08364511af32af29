"""Who may join: a switch with a certificate of this lab, under the name that is in it, and nobody else."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdn_lab import tls
from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.control.controller import Controller
from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.pki import Authority
from sdn_lab.scenario.library import find
from sdn_lab.scenario.load import load
from tests.unit.control import lab as small
from tests.unit.control.dummy_ovs import eventually
from tests.unit.control.rogue import HELLO, PORTS, features, speak

FORBIDDEN = {"flow-mod", "multipart request", "kept open"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(load(find("overlap")), Options(methods=("drift",))) as running:
        yield running


def proof(identity: tls.Identity) -> str:
    return identity.certificate + identity.key


def refused(lab: Lab, heard: list[str], sentence: str) -> None:
    """The switch was told nothing; the lab holds; one warning says why."""
    assert not FORBIDDEN & set(heard), heard
    eventually(
        lambda: any(sentence in text for text in lab.controller.said), lambda: str(lab.controller.said)
    )
    assert sum(sentence in text for text in lab.controller.said) == 1
    assert lab.check().status == "holds"


def test_a_switch_without_a_certificate_is_refused_and_the_lab_unharmed(lab: Lab) -> None:
    there = (lab.controller.host, lab.controller.l4_port)
    for _ in range(2):  # as a switch does, it tries again: one warning all the same
        heard = speak(*there, lab.identities["hv1"].name, "")
    refused(lab, heard, "a switch at 127.0.0.1 was refused: it showed no certificate")


def test_a_switch_with_another_labs_certificate_is_refused(lab: Lab) -> None:
    dpid = lab.identities["hv1"].name
    heard = speak(lab.controller.host, lab.controller.l4_port, dpid, proof(Authority().switch(dpid)))
    refused(lab, heard, "refused: its certificate is not one of this lab's switches'")


def test_a_switch_with_anothers_datapath_id_is_refused_before_an_app_hears_of_it(lab: Lab) -> None:
    victim = lab.identities["hv1"].name
    heard = speak(lab.controller.host, lab.controller.l4_port, victim, proof(lab.identities["hv2"]))
    assert set(heard) <= {"hello", "features request", "closed"}
    mine = lab.identities["hv2"].name
    refused(
        lab,
        heard,
        f"says that it is hv1 (datapath {victim}), and its certificate that it is hv2 (datapath {mine})",
    )


def test_a_switch_that_speaks_plain_tcp_is_refused(lab: Lab) -> None:
    with socket.create_connection((lab.controller.host, lab.controller.l4_port), timeout=10) as sock:
        sock.sendall(HELLO + features(lab.identities["hv1"].name) + PORTS)
        try:
            answer = sock.recv(64)
        except ConnectionResetError:
            answer = b""
    assert answer[:1] in (b"", b"\x15"), "an alert, or nothing: no OpenFlow"
    refused(lab, [], "was refused: no TLS handshake (")


def test_a_switchs_certificate_does_not_serve_as_the_controllers(lab: Lab) -> None:
    """Else one that was taken over could play the controller to its neighbours."""
    made, assignment = small.one("hv1")
    authority = Authority()
    with (
        small.started(made, assignment, identity=authority.switch("00000000000000aa")) as impostor,
        SimLab(made, assignment) as switches,
        pytest.raises(LabError, match=r"^hv1 does not believe the controller at 127\.0\.0\.1"),
    ):
        switches.connect(
            impostor.host,
            impostor.l4_port,
            impostor.settle,
            {"hv1": authority.switch(assignment.datapaths["hv1"].dpid)},
        )


def test_a_switch_does_not_believe_another_labs_controller() -> None:
    made, assignment = small.one("hv1")
    with (
        small.started(made, assignment, identity=Authority().controller()) as stranger,
        SimLab(made, assignment) as switches,
        pytest.raises(LabError, match="does not believe the controller"),
    ):
        switches.connect(
            stranger.host, stranger.l4_port, stranger.settle, {"hv1": Authority().switch("00000000000000a1")}
        )


def test_the_right_switch_with_the_right_certificate_joins() -> None:
    """The control: what is refused above is refused for its certificate's sake."""
    made, assignment = small.one("hv1")
    authority = Authority()
    dpid = assignment.datapaths["hv1"].dpid
    with (
        small.started(
            made, assignment, wanted=small.program("hv1"), identity=authority.controller()
        ) as controller,
        SimLab(made, assignment) as switches,
    ):
        switches.connect(
            controller.host, controller.l4_port, controller.settle, {"hv1": authority.switch(dpid)}
        )
        assert list(controller.wait_confirmed(timeout_ms=10_000, progress=small.QUIET)) == ["hv1"]


def test_a_key_shows_itself_nowhere(lab: Lab) -> None:
    """Not in a repr, not on the command line or in the environment, in no file that the process has open."""
    identity = lab.identities["hv1"]
    controller: Controller = lab.controller
    pid = controller._child.pid
    assert "PRIVATE" not in repr(identity)
    for name in ("cmdline", "environ"):
        assert "PRIVATE" not in Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    opened = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [name for name in opened if name.endswith(".pem") or "identity" in name]


def test_identities_of_one_lab_differ_in_their_keys() -> None:
    authority = Authority()
    made = [authority.controller(), authority.switch("a1"), authority.switch("a2")]
    assert len({identity.key for identity in made}) == 3
    assert {dataclasses.replace(i, name="", certificate="", key="").authority for i in made} == {
        authority.certificate
    }
