"""A window, and what it saw, come out of a message as they went in."""

import json

from sdn_lab.backends.mininet.windows import asking, captured_of, telling, window_of
from sdn_lab.model.observation import Capture, Captured, Injection, PointKind, WatchPoint, Window

HERE = WatchPoint(kind=PointKind.PORT, name="red/vm1")
ITS_LINK = WatchPoint(kind=PointKind.VETH, name="red/vm1")
WIRE = WatchPoint(kind=PointKind.UNDERLAY, name="hv1")


def through_json(message):
    """All but the frames must be fit for JSON."""
    frames = message.pop("frames")
    return {**json.loads(json.dumps(message)), "frames": frames}


def test_a_window_survives():
    window = Window(
        injections=(
            Injection(point=HERE, frame=b"one"),
            Injection(point=ITS_LINK, frame=b""),
            Injection(point=HERE, frame=bytes(range(256))),
        ),
        markers=((HERE, b"nonce"), (WIRE, b"another")),
        timeout_ms=77,
    )
    assert window_of(through_json(asking(window))) == window
    assert window_of(through_json(asking(Window(injections=())))) == Window(injections=())


def test_what_was_seen_survives():
    seen = Captured(
        captures=(
            Capture(point=WIRE, frame=b"one"),
            Capture(point=HERE, frame=b""),
            Capture(point=WIRE, frame=b"2"),
        ),
        missing=((ITS_LINK, b"nonce"), (WIRE, b"another")),
        lost=3,
        waited_ms=1.5,
    )
    assert captured_of(through_json(telling(seen))) == seen
    assert captured_of(through_json(telling(Captured()))) == Captured()


def test_a_point_is_named_once_however_often_it_is_used():
    window = Window(
        injections=tuple(Injection(point=HERE, frame=b"x") for _ in range(500)), markers=((HERE, b"n"),)
    )
    assert asking(window)["points"] == [["port", "red/vm1"]]
