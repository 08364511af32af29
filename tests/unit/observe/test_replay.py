"""A witness is sent again: it arrives, it does not, or that cannot be told."""

from sdn_lab.model.observation import Capture, PointKind
from sdn_lab.model.verdict import Counterexample
from sdn_lab.observe import frames
from sdn_lab.observe.nonce import Nonces, found_in
from sdn_lab.observe.replay import replay

from .fake import FakeLab, Faults, port_at, scenario

NONCE = Nonces(5).draw()


def witness(dst: str, payload: bytes = NONCE, before: tuple[tuple[str, str], ...] = ()) -> Counterexample:
    frame = frames.raw("02:00:00:00:00:01", "02:00:00:00:00:03", 0x0800, payload)
    return Counterexample(src="red/a", dst=dst, packet_hex=frame.hex(), packet="", before=before)


def test_it_arrives_where_the_witness_says() -> None:
    assert replay(FakeLab(scenario()), witness("red/c"), seed=1) is True
    assert replay(FakeLab(scenario()), witness("underlay:hv2"), seed=1) is True


def test_it_does_not_arrive_elsewhere() -> None:
    assert replay(FakeLab(scenario()), witness("blue/c"), seed=1) is False


def test_silence_where_no_marker_can_be_put_in_tells_nothing() -> None:
    assert replay(FakeLab(scenario()), witness("management:hv2"), seed=1) is None


def test_a_dead_capture_tells_nothing() -> None:
    lab = FakeLab(scenario(), Faults(deaf={port_at("blue/c")}))

    assert replay(lab, witness("blue/c"), seed=1) is None


def test_lost_frames_tell_nothing() -> None:
    assert replay(FakeLab(scenario(), Faults(lose=[1] * 9)), witness("blue/c"), seed=1) is None


def test_what_must_go_first_goes_first_each_in_its_own_window() -> None:
    lab = FakeLab(scenario())

    replay(lab, witness("red/c", before=(("red/b", "aa" * 60), ("red/c", "bb" * 60))), seed=1)

    order = [w.injections[0].point.name for w in lab.windows]
    assert order[:3] == ["red/b", "red/c", "red/a"]


def test_a_witness_without_a_nonce_gets_one() -> None:
    lab = FakeLab(scenario())

    assert replay(lab, witness("red/c", payload=b"no nonce"), seed=1) is True
    assert all(found_in(i.frame) for w in lab.windows for i in w.injections)


def test_a_leak_found_in_a_port_with_a_colon_in_its_name() -> None:
    def leak(_src: str, frame: bytes) -> list[Capture]:
        return [Capture(point=port_at("red/c:eth1"), frame=frame)]

    lab = FakeLab(scenario(), Faults(leak=leak))
    found = replay(lab, witness("red/c:eth1"), seed=1)

    assert found is True
    assert lab.windows[0].injections[1].point.kind is PointKind.VETH
