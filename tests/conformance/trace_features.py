"""What a trace record uses, by feature: fields, actions, kinds of port, and what the trace itself did."""

from __future__ import annotations

import re

from sdn_lab.openflow.action_ovs import Sample
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.text import parse_flows, parse_groups

_DATAPATH = re.compile(r"\b([a-z_]+)(?=\()")
_HIDDEN = re.compile(r"^\s*(debug_[a-z]+)$", re.MULTILINE)
_THAWED = re.compile(r"^\s*thaw$", re.MULTILINE)
_CONFIG = re.compile(r"OFPPC_([A-Z_]+) set")


def of(record: dict) -> frozenset[str]:
    """Return the record's features."""
    found: set[str] = set()
    for name, held in record["bridges"].items():
        for entry in parse_flows("\n".join(held["flows"]), name):
            found |= _entry(entry)
        for group in parse_groups("\n".join(held["groups"]), name):
            found |= _group(group)
    for text in record["flow"]:
        found |= {f"flow:{word.partition('=')[0]}" for word in text.split(",")}
    for text in record["dpactions"]:
        found |= {f"datapath:{word}" for word in _DATAPATH.findall(text)}
    found |= {f"action:{word}" for word in _HIDDEN.findall(record["stdout"])}
    found |= {f"port_config:{word.lower()}" for word in _CONFIG.findall(record["stdout"])}
    found |= {"database:mirror" for _ in record["mirrors"]}
    if record["dpactions"] and "recirc(" in record["dpactions"][-1]:
        found.add("trace:cut")
    if _THAWED.search(record["stdout"].partition("Final flow")[0]):
        found.add("trace:thawed")
    if 'mode is "drop"' in record["stdout"]:
        found.add("fragments:drop")
    return frozenset(found)


def _entry(entry: FlowEntry) -> set[str]:
    instructions = entry.instructions
    found = {f"match:{name}" for name, _, _ in entry.match}
    actions = (*instructions.apply, *instructions.write)
    found |= {f"action:{type(a).__name__}" for a in actions}
    if any(isinstance(a, Sample) and a.sampling_port is not None for a in actions):
        found.add("action:Sample.sampling_port")
    return found


def _group(group: Group) -> set[str]:
    actions = (action for bucket in group.buckets for action in bucket.actions)
    return {f"group:{group.type.value}", *(f"action:{type(action).__name__}" for action in actions)}
