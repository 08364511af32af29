"""From what Open vSwitch says to a `Snapshot`.

The daemon sends texts and port names; they are read here, in the command's process.  Whatever cannot
be read, or is hidden from OpenFlow and would output, is a `LabError`: a snapshot must not be less
than what forwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdn_lab.backends.mininet.ovs import INTEGRATION, NIC, PHYSICAL, TUNNEL
from sdn_lab.model.assignment import Assignment, Datapath
from sdn_lab.model.diagnostic import InputError, LabError
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.openflow.text import parse_flows, parse_groups


def snapshot_of(told: Mapping[str, Mapping[str, Any]], assignment: Assignment) -> Snapshot:
    """Read the daemon's answer: per hypervisor and bridge, what `ovs.OpenVSwitch.dump` returned."""
    datapaths: dict[str, DatapathState] = {}
    read_back: dict[str, Datapath] = {}
    for hypervisor, bridges in told.items():
        datapath = assignment.datapaths[hypervisor]
        datapaths[hypervisor] = _state(hypervisor, bridges[INTEGRATION], _meanings(datapath))
        underlay = f"{hypervisor}/underlay"
        datapaths[underlay] = _state(underlay, bridges[PHYSICAL], {NIC: "uplink", PHYSICAL: "local"})
        read_back[hypervisor] = _read_back(datapath, bridges[INTEGRATION]["ports"])
    return Snapshot(datapaths=datapaths, assignment=Assignment(datapaths=read_back))


def _read_back(datapath: Datapath, ports: Mapping[str, int]) -> Datapath:
    """Return *datapath* with the OpenFlow ports that it has now.

    An interface keeps its name.  A tenant's port that is not there is not attached.
    """
    return replace(
        datapath,
        tunnel_of_port=ports.get(TUNNEL, datapath.tunnel_of_port),
        attachments=tuple(
            replace(a, of_port=ports[f"p{a.of_port}"])
            for a in datapath.attachments
            if f"p{a.of_port}" in ports
        ),
    )


def _meanings(datapath: Datapath) -> dict[str, str]:
    ports = {f"p{a.of_port}": f"port:{a.port}" for a in datapath.attachments}
    return {INTEGRATION: "local", TUNNEL: "tunnel", **ports}


def _state(name: str, bridge: Mapping[str, Any], meanings: Mapping[str, str]) -> DatapathState:
    if bridge["hidden"]:
        raise LabError(f"the datapath {name} holds a hidden entry that outputs: {bridge['hidden'][0]}")
    try:
        entries = parse_flows(bridge["flows"], f"the dump of {name}")
        groups = parse_groups(bridge["groups"], f"the dump of {name}")
    except InputError as error:
        raise LabError(f"the dump of {name} cannot be read: {error.diagnostics[0].what}") from error
    return DatapathState(
        name=name,
        tables=Tables(entries=entries, groups=groups),
        fail_mode=bridge["fail_mode"] or "none",
        copies=tuple(bridge["copies"]),
        altered=tuple((_named(held, meanings), wanted) for held, wanted in bridge["altered"]),
        ports={
            number: meanings.get(interface, f"unknown:{interface}")
            for interface, number in sorted(bridge["ports"].items(), key=lambda item: item[1])
        },
    )


def _named(setting: str, meanings: Mapping[str, str]) -> str:
    """Say whose interface it is: ``port p100: tag=7`` is about ``port p100 (red/vm1)``."""
    subject, _, value = setting.partition(": ")
    meaning = meanings.get(subject.rpartition(" ")[2], "")
    owner = f" ({meaning.removeprefix('port:')})" if meaning.startswith("port:") else ""
    return f"{subject}{owner}: {value}"
