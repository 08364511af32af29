"""Overhear points of a running lab and write what passes into the caller's file: ``sdn-lab capture``.

The caller opens the file, so that it is written with his rights, and ends it: by a count, by a time, or by
saying so.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sdn_lab.channel import Closed
from sdn_lab.contracts import Listening
from sdn_lab.model.diagnostic import Diagnostic, InputError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Overheard, PointKind, WatchPoint
from sdn_lab.resident.asked import Asked
from sdn_lab.resident.execute import find_node
from sdn_lab.resident.pcapng import Writer

_KINDS = {
    kind.value: kind
    for kind in (PointKind.PORT, PointKind.UNDERLAY, PointKind.MANAGEMENT, PointKind.PACKET_IN)
}


def capture(asked: Asked) -> dict[str, Any]:
    """Write what passes ``points`` until told to stop; answer with the count by point, and what was lost."""
    request = asked.request
    lab = asked.server.lab
    points = tuple(dict.fromkeys(find_point(lab.scenario, text) for text in request["points"]))
    listening = lab.backend.listen(points)
    seen: Counter[str] = Counter({str(point): 0 for point in points})
    try:
        [descriptor] = asked.descriptors
        with os.fdopen(os.dup(descriptor), "wb") as file:
            writer = Writer(file, points)
            asked.channel.send({"notice": f"listening at {', '.join(map(str, points))}"})
            for frame in islice(_overheard(asked, listening, writer, request["seconds"]), request["count"]):
                writer.write(frame)
                seen[str(frame.point)] += 1
        return {"seen": seen, "lost": listening.lost()}
    finally:
        listening.close()


def _overheard(
    asked: Asked, listening: Listening, writer: Writer, seconds: float | None
) -> Iterator[Overheard]:
    """Yield what passes, until the time is over or the asker says something, or goes away."""
    deadline = None if seconds is None else time.monotonic() + seconds
    waiting = select.poll()
    for descriptor in (asked.channel.fileno(), *listening.filenos()):
        waiting.register(descriptor, select.POLLIN)
    while True:
        left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = [descriptor for descriptor, _ in waiting.poll(left_ms)]
        yield from listening.frames()
        writer.flush()
        if asked.channel.fileno() in ready:
            with contextlib.suppress(Closed):
                asked.channel.receive()  # to its end: who hangs up in the middle looks like a lab that died
            return
        if deadline is not None and time.monotonic() >= deadline:
            return


def find_point(scenario: Scenario, text: str) -> WatchPoint:
    """Return the watch point that a person means: ``kind:name``, a port, or a hypervisor (its underlay).

    Raises InputError.
    """
    kind, colon, name = text.partition(":")
    if not colon or kind not in _KINDS:  # a port's path may have a colon of its own
        kind, name = "", text
    node = find_node(scenario, name)
    of_hypervisor = node in scenario.underlay.hypervisors
    found = _KINDS[kind] if kind else PointKind.UNDERLAY if of_hypervisor else PointKind.PORT
    if (found is PointKind.PORT) is of_hypervisor:
        what = f"there is no point '{text}': {node} is {'a hypervisor' if of_hypervisor else 'a port'}"
        fix = "port:red/vm1 for an instance; underlay:hv1, management:hv1, packet_in:hv1 for a hypervisor"
        raise InputError((Diagnostic(code="USE007", what=what, fix=fix),))
    return WatchPoint(kind=found, name=node)
