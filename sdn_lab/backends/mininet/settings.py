"""What a bridge's database says beside fail mode, ports and entries, and would forward otherwise for.

What
----
`QUERY` asks Open vSwitch's database for the columns that count; `read` gives the rows; `altered` compares
a bridge's with what was built and names every setting that is other: a tunnel whose key is no longer the
flow's, in-band control that is on, a controller of somebody else's, a port's VLAN or rate limit.

Where it sits
-------------
Used by:    `ovs` (a dump tells what is altered) and `restore` (each alteration knows how it is undone).
Not here:   fail mode and mirrors, which a snapshot has on their own; ports of somebody else's, which it
            has as ports.

Why
---
``options:key`` set to another tenant's VNI sends every frame of one tenant into the other's network, while
every entry is as it was compiled.

Reference: ovs-vswitchd.conf.db(5); RFC 7047, section 5.1 (values).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Value = str | int | bool | tuple["Value", ...] | Mapping[str, str]
Row = Mapping[str, Value]

COPIES = ("mirrors", "sflow", "netflow", "ipfix")  # columns of a bridge that send traffic elsewhere
_COLUMNS: Mapping[str, Mapping[str, Value]] = {  # and what they say of what this lab builds
    "bridge": {"other_config": {}, "protocols": "OpenFlow13", "stp_enable": False, "rstp_enable": False},
    "port": {"tag": (), "trunks": (), "vlan_mode": (), "qos": ()},
    "interface": {"type": "", "options": {}, "ingress_policing_rate": 0},
}
_ALSO = {
    "bridge": ("name", "ports", "controller", "fail_mode", *COPIES),
    "port": ("_uuid", "name"),
    "interface": ("name",),
}


def _listing(table: str, columns: Sequence[str]) -> tuple[str, ...]:
    return ("--", f"--columns={','.join(columns)}", "list", table)


QUERY = (
    "--format=json",
    *(word for table in _COLUMNS for word in _listing(table, (*_ALSO[table], *_COLUMNS[table]))),
    *_listing("controller", ("_uuid", "target")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """One setting that is not as built."""

    table: str
    name: str
    column: str
    held: Value
    wanted: Value

    @property
    def told(self) -> tuple[str, str]:
        """What is held, and what should be."""
        return f"{self.table} {self.name}: {self.column}={_text(self.held)}", _text(self.wanted)

    @property
    def undo(self) -> tuple[str, ...]:
        """The words after ``ovs-vsctl`` that make it as built."""
        if self.column != "controller":
            return ("set", self.table, self.name, f"{self.column}={_text(self.wanted)}")
        assert isinstance(self.wanted, tuple)
        targets = tuple(str(target) for target in self.wanted)
        return ("set-controller", self.name, *targets) if targets else ("del-controller", self.name)


def read(told: str) -> Mapping[str, Sequence[Row]]:
    """Read the answer to `QUERY`: rows by table."""
    tables: dict[str, Sequence[Row]] = {}
    for table, line in zip((*_COLUMNS, "controller"), told.splitlines(), strict=True):
        document = json.loads(line)
        tables[table] = [
            {name: _value(v) for name, v in zip(document["headings"], row, strict=True)}
            for row in document["data"]
        ]
    return tables


def row_of(tables: Mapping[str, Sequence[Row]], bridge: str) -> Row:
    """Return the row of a bridge."""
    return next(row for row in tables["bridge"] if row["name"] == bridge)


def altered(
    tables: Mapping[str, Sequence[Row]], bridge: str, built: Mapping[str, Row], target: str | None
) -> Iterator[Altered]:
    """Give what is not as *built*: by the name of a bridge or interface, what is told of it beyond defaults.

    *target* is the controller that the bridge was pointed at.  Of ports only those are looked at that are the
    lab's own: ``p`` and a number, or named in *built*.
    """
    row = row_of(tables, bridge)
    yield from _compared("bridge", row, built[bridge])
    pointed = _members(row["controller"])
    targets = tuple(sorted(str(c["target"]) for c in tables["controller"] if c["_uuid"] in pointed))
    wanted = () if target is None else (target,)
    if targets != wanted:
        yield Altered(table="bridge", name=bridge, column="controller", held=targets, wanted=wanted)
    own = _members(row["ports"])
    ports = [port for port in tables["port"] if port["_uuid"] in own and _is_ours(str(port["name"]), built)]
    for port in sorted(ports, key=lambda port: str(port["name"])):
        yield from _compared("port", port, {})
        for interface in tables["interface"]:
            if interface["name"] == port["name"]:
                special = {} if port["name"] == bridge else built.get(str(port["name"]), {})
                local = {"type": "internal"} if port["name"] == bridge else {}
                yield from _compared("interface", interface, {**special, **local})


def _compared(table: str, row: Row, built: Row) -> Iterator[Altered]:
    for column, usual in _COLUMNS[table].items():
        wanted = built.get(column, usual)
        if row[column] != wanted:
            yield Altered(table=table, name=str(row["name"]), column=column, held=row[column], wanted=wanted)


def _is_ours(name: str, built: Mapping[str, Row]) -> bool:
    return name in built or re.fullmatch(r"p\d+", name) is not None


def _members(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _value(told: object) -> Value:
    """Read a value: an atom, ``["uuid", ...]``, ``["set", [...]]`` or ``["map", [...]]``."""
    if isinstance(told, list):
        kind, content = told
        if kind == "map":
            return {str(key): str(value) for key, value in content}
        return str(content) if kind == "uuid" else tuple(_value(member) for member in content)
    assert isinstance(told, str | int | bool)
    return told


def _text(value: Value) -> str:
    """Write a value as ``ovs-vsctl`` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    return f"{{{','.join(f'{key}={json.dumps(v)}' for key, v in sorted(value.items()))}}}"
