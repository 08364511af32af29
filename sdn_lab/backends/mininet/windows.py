"""A window and what it saw, as messages of the `channel`.

A watch point is written once, in ``points``; what is there refers to it by number.  The frames are the
message's ``frames``: first those that go in or were seen, then the nonces of markers, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sdn_lab.model.observation import Capture, Captured, Injection, PointKind, WatchPoint, Window


def asking(window: Window) -> dict[str, Any]:
    """Return the request for *window*."""
    numbers: dict[WatchPoint, int] = {}
    return {
        "injections": _numbered((i.point for i in window.injections), numbers),
        "markers": _numbered((point for point, _ in window.markers), numbers),
        "points": [[point.kind.value, point.name] for point in numbers],
        "timeout_ms": window.timeout_ms,
        "frames": [*(i.frame for i in window.injections), *(nonce for _, nonce in window.markers)],
    }


def window_of(request: Mapping[str, Any]) -> Window:
    """Read what `asking` wrote."""
    points, frames = _points(request), iter(request["frames"])
    return Window(
        injections=tuple(Injection(point=points[n], frame=next(frames)) for n in request["injections"]),
        markers=tuple((points[n], next(frames)) for n in request["markers"]),
        timeout_ms=request["timeout_ms"],
    )


def telling(seen: Captured) -> dict[str, Any]:
    """Return the answer that tells *seen*."""
    numbers: dict[WatchPoint, int] = {}
    return {
        "captures": _numbered((c.point for c in seen.captures), numbers),
        "missing": _numbered((point for point, _ in seen.missing), numbers),
        "points": [[point.kind.value, point.name] for point in numbers],
        "lost": seen.lost,
        "waited_ms": seen.waited_ms,
        "frames": [*(c.frame for c in seen.captures), *(nonce for _, nonce in seen.missing)],
    }


def captured_of(answer: Mapping[str, Any]) -> Captured:
    """Read what `telling` wrote."""
    points, frames = _points(answer), iter(answer["frames"])
    return Captured(
        captures=tuple(Capture(point=points[n], frame=next(frames)) for n in answer["captures"]),
        missing=tuple((points[n], next(frames)) for n in answer["missing"]),
        lost=answer["lost"],
        waited_ms=answer["waited_ms"],
    )


def _numbered(points: Iterable[WatchPoint], numbers: dict[WatchPoint, int]) -> list[int]:
    return [numbers.setdefault(point, len(numbers)) for point in points]


def _points(message: Mapping[str, Any]) -> list[WatchPoint]:
    return [WatchPoint(kind=PointKind(kind), name=name) for kind, name in message["points"]]
