"""A program in the lab on the input and output of whoever asked: ``sdn-lab exec``.

The caller's descriptors travel to the program, so nothing is copied here.  The connection stays open while
the program runs: over it come the caller's signals, goes the exit status; when it breaks, the program ends.
"""

from __future__ import annotations

import contextlib
import select
import signal
from typing import Any

from sdn_lab.channel import Closed
from sdn_lab.model.diagnostic import Diagnostic, InputError
from sdn_lab.model.intent import Scenario
from sdn_lab.resident.asked import Asked


def execute(asked: Asked) -> dict[str, Any]:
    """Run a program at ``node``; answer with its exit status."""
    request = asked.request
    lab = asked.server.lab
    node = find_node(lab.scenario, request["node"])
    running = lab.backend.execute(
        node, request["argv"], request["env"], request["directory"], asked.descriptors
    )
    asked.close()  # the program's own are duplicates; a pipe must end when the program closes it
    try:
        waiting = select.poll()
        waiting.register(running.fileno(), select.POLLIN)
        waiting.register(asked.channel.fileno(), select.POLLIN)
        while all(ready != running.fileno() for ready, _ in waiting.poll()):
            try:
                message, _ = asked.channel.receive()
            except Closed:
                waiting.unregister(asked.channel.fileno())
                with contextlib.suppress(ProcessLookupError):
                    running.signal(signal.SIGKILL)
            else:
                with contextlib.suppress(ProcessLookupError):
                    running.signal(message["signal"])
    finally:
        status = running.finish()
    return {"status": status}


def find_node(scenario: Scenario, name: str) -> str:
    """Return the hypervisor, or the port (its path), that a person means.  Raises InputError.

    An instance with several ports may be named without one.
    """
    if name in scenario.underlay.hypervisors:
        return name
    paths = [port.path for port in scenario.ports]
    if name in paths:
        return name
    for port in scenario.ports:
        if name == f"{port.tenant}/{port.instance}":
            return port.path
    nodes = ", ".join([*paths, *scenario.underlay.hypervisors][:12])
    more = ", ..." if len(paths) + len(scenario.underlay.hypervisors) > 12 else ""
    diagnostic = Diagnostic(
        code="USE006", what=f"there is no '{name}' in this lab", fix=f"there are: {nodes}{more}"
    )
    raise InputError((diagnostic,))
