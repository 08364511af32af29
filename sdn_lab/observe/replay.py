"""Send a counterexample's packets again on a running lab and say whether the last one arrives.

A verdict's witness must be more than a story: the packets in `before` go first, each in a window of its
own, then the packet itself, and its destination is looked at.  A marker at the hypervisor's end of the
destination's link says that the capture was alive; without it the answer is None, not False.
"""

from __future__ import annotations

from sdn_lab.contracts import Exchange
from sdn_lab.model.observation import Captured, Injection, PointKind, WatchPoint, Window
from sdn_lab.model.verdict import Counterexample
from sdn_lab.observe import frames
from sdn_lab.observe.nonce import Nonces, found_in

_TRIES = 3


def replay(exchange: Exchange, counterexample: Counterexample, *, seed: int) -> bool | None:
    """Return whether the packet arrives at the counterexample's *dst*; None where that cannot be told.

    A packet without a nonce (a proof's witness) gets one in its Ethernet trailer.
    """
    nonces = Nonces(seed)
    for src, packet_hex in counterexample.before:
        _send(exchange, nonces, src, bytes.fromhex(packet_hex), closing=(src,))
    frame = bytes.fromhex(counterexample.packet_hex)
    carried = found_in(frame)
    nonce = carried[0] if carried else nonces.draw()
    if not carried:
        frame = (frame + nonce).ljust(frames.MIN_FRAME, b"\0")
    point = _watch_point(counterexample.dst)
    at_port = point.kind is PointKind.PORT
    closing = (counterexample.src, point.name) if at_port else (counterexample.src,)
    whole = False
    for _ in range(_TRIES):
        got = _send(exchange, nonces, counterexample.src, frame, closing=closing)
        if any(c.point == point and nonce in found_in(c.frame) for c in got.captures):
            return True
        whole = whole or not (got.missing or got.lost)
    # No marker can be put in at another kind of point: its silence says nothing of its capture.
    return False if whole and at_port else None


def _send(
    exchange: Exchange, nonces: Nonces, src: str, frame: bytes, *, closing: tuple[str, ...]
) -> Captured:
    """Send one frame; the window closes on a marker down the link of each port of *closing*."""
    injections = [Injection(point=_port(src), frame=frame)]
    markers = []
    for name in dict.fromkeys(closing):
        marker = nonces.draw()
        veth = WatchPoint(kind=PointKind.VETH, name=name)
        heard = frames.raw("02:de:ad:00:00:01", frames.BROADCAST, 0x88B5, marker)
        injections.append(Injection(point=veth, frame=heard))
        markers.append((_port(name), marker))
    return exchange.exchange(Window(injections=tuple(injections), markers=tuple(markers)))


def _port(path: str) -> WatchPoint:
    return WatchPoint(kind=PointKind.PORT, name=path)


def _watch_point(name: str) -> WatchPoint:
    kind, _, rest = name.partition(":")
    named = {member.value: member for member in PointKind}
    return WatchPoint(kind=named[kind], name=rest) if kind in named and rest else _port(name)
