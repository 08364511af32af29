"""What a resident answers: one function a request.

Raises what `sdn_lab.model.diagnostic` has; the asker gets its text and its exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sdn_lab.channel import Channel, Closed
from sdn_lab.resident.values import dumps

if TYPE_CHECKING:
    from sdn_lab.resident.server import Server


@dataclass(slots=True)
class Asked:
    """A request, who asked, and the descriptors that came with it."""

    server: Server
    channel: Channel
    request: Mapping[str, Any]
    descriptors: Sequence[int] = field(default_factory=list)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell progress; an asker who went away does not stop what goes on."""
        with contextlib.suppress(Closed, OSError):
            self.channel.send({"progress": [what, done, total]})

    def close(self) -> None:
        """Let go of the descriptors."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


def status(asked: Asked) -> dict[str, Any]:
    """Say what can be said of the lab at this moment."""
    return {"status": asked.server.status()}


def check(asked: Asked) -> dict[str, Any]:
    """Judge the lab as it is now."""
    server, request = asked.server, asked.request
    lab = server.lab
    options = replace(lab.options, pcap_dir=None)
    if request["methods"] is not None:
        options = replace(options, methods=tuple(request["methods"]))
    report = server.jobs.do("check", lambda: lab.check(options), asked.progress)
    return {"exit": report.exit, "frames": [dumps(report), dumps(lab.scenario)]}


def down(asked: Asked) -> dict[str, Any]:
    """End the lab, whatever it does; answer when it has ended."""
    os.kill(os.getpid(), signal.SIGTERM)
    return {"note": asked.server.wait_for_end()}


VERBS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {"status": status, "check": check, "down": down}
