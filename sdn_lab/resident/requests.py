"""What a resident answers: one function a request.

Raises what `sdn_lab.model.diagnostic` has; the asker gets its text and its exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report
from sdn_lab.resident.asked import Asked
from sdn_lab.resident.capture import capture
from sdn_lab.resident.execute import execute
from sdn_lab.resident.links import link, links, node
from sdn_lab.resident.values import dumps, loads


def status(asked: Asked) -> dict[str, Any]:
    """Say what can be said of the lab at this moment."""
    return {"status": asked.server.status()}


def scenario(asked: Asked) -> dict[str, Any]:
    """Say what the lab is a lab of."""
    return {"frames": [dumps(asked.server.lab.scenario)]}


def check(asked: Asked) -> dict[str, Any]:
    """Judge the lab as it is now."""
    server, request = asked.server, asked.request
    lab = server.lab
    options = replace(lab.options, pcap_dir=None)
    if request["methods"] is not None:
        options = replace(options, methods=tuple(request["methods"]))

    def work() -> tuple[Report, Scenario]:
        try:
            return lab.check(options), lab.scenario
        finally:
            with contextlib.suppress(LabError):  # then the check has said why
                lab.backend.rest()

    report, judged = server.jobs.do("check", work, asked.progress)
    return {"exit": report.exit, "frames": [dumps(report), dumps(judged)]}


def revert(asked: Asked) -> dict[str, Any]:
    """Make every datapath hold what it should."""
    lab = asked.server.lab
    reverted = asked.server.jobs.do("revert", lab.revert, asked.progress)
    return {"frames": [dumps(reverted)]}


def apply(asked: Asked) -> dict[str, Any]:
    """Change the lab to another scenario."""
    lab = asked.server.lab
    wanted: Scenario = loads(asked.request["frames"][0])
    applied = asked.server.jobs.do("apply", lambda: lab.apply(wanted), asked.progress)
    return {"frames": [dumps(applied)]}


def down(asked: Asked) -> dict[str, Any]:
    """End the lab, whatever it does; answer when it has ended."""
    os.kill(os.getpid(), signal.SIGTERM)
    return {"note": asked.server.wait_for_end()}


VERBS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    "status": status,
    "scenario": scenario,
    "check": check,
    "revert": revert,
    "apply": apply,
    "execute": execute,
    "link": link,
    "links": links,
    "node": node,
    "capture": capture,
    "down": down,
}
