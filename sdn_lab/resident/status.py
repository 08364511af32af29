"""What can be said of a lab at this moment, as a value that goes into JSON.

``state`` is one of

    coming up    it is being built
    up           it is
    closed       a change failed half-way: nothing passes but what was allowed before and after (`Lab.closed`)
    failed       something that it needs has died; ``error`` says what

Looking changes nothing, and one may look while the lab is checked.  While it is being changed, what it holds
is on its way from one program to another, and drift is not asked for.
"""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sdn_lab.lab import Lab, drift
from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.resident import links

SCHEMA = "sdn-lab/status/1"
CHANGING = ("apply", "revert")


def of(lab: Lab, *, name: str, since: float, up: bool, busy: str) -> dict[str, Any]:
    """Return the status of *lab*; *busy* names what is being done to it."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "scenario": lab.scenario.name,
        "backend": lab.options.backend,
        "since": _time(since),
        "pid": os.getpid(),
        "state": "up" if up else "coming up",
        "error": "",
        "busy": busy,
        "controller": {"app": lab.app, "runs": False, "whole": False, "said": []},
        "mended": [],
        "hypervisors": [],
        "underlay": {"links": [], "remarks": [], "parted": []},
        "drift": {"watched": False, "differences": []},
    }
    if not up:
        return told
    snapshot = _look(lab, told)
    told["hypervisors"] = _hypervisors(lab, snapshot)
    if lab.closed and not told["error"] and busy not in CHANGING:
        told.update(state="closed", error=lab.closed)
    if snapshot is not None and busy not in CHANGING:
        told["drift"] = _drift(lab, snapshot)
    return told


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _look(lab: Lab, told: dict[str, Any]) -> Snapshot | None:
    """Ask backend and controller how they are; return what the datapaths hold, if they say."""
    snapshot = None
    try:
        snapshot = lab.backend.snapshot()
        told["underlay"] = links.told_of(lab)
        told["controller"]["said"] = list(lab.controller.said)
        lab.controller.check()
        told["controller"].update(runs=True, whole=lab.controller.whole())
        told["mended"] = [
            {"what": mended.what, "at": _time(mended.at), "ms": round(mended.ms)} for mended in lab.mended
        ]
    except LabError as error:
        told.update(state="failed", error=str(error))
    return snapshot


def _hypervisors(lab: Lab, snapshot: Snapshot | None) -> list[dict[str, Any]]:
    instances = defaultdict(list)
    for port in lab.scenario.ports:
        instances[port.hypervisor].append(
            {"port": port.path, "network": port.network, "mac": port.mac, "ips": [str(ip) for ip in port.ips]}
        )
    return [
        {
            "name": hypervisor,
            "datapath": None
            if snapshot is None
            else {
                "dpid": datapath.dpid,
                "fail_mode": snapshot.datapaths[hypervisor].fail_mode,
                "entries": len(snapshot.datapaths[hypervisor].tables.entries),
            },
            "instances": instances[hypervisor],
        }
        for hypervisor, datapath in sorted(lab.assignment.datapaths.items())
    ]


def _drift(lab: Lab, snapshot: Snapshot) -> dict[str, Any]:
    verdicts = drift.judge(lab, snapshot)
    return {
        "watched": bool(verdicts),
        "differences": [
            {
                "datapath": difference.datapath,
                "table": difference.table,
                "what": str(difference),
                "betrays": difference.betrays,
            }
            for verdict in verdicts
            for difference in verdict.differences
        ],
    }
