"""What ``sdn-lab exec`` offers on the simulator: a few programs, in the words of the real ones.

    in an instance      ping [-c N] ADDRESS            is it answered?  (-4, -6, -W S are taken)
                        arp ADDRESS                    which MAC answers for it (IPv6: neighbour discovery)?
                        tcp ADDRESS PORT               connect, and get back what was sent
                        udp ADDRESS PORT               the same with a datagram
    on a hypervisor     ovs-ofctl [-O V] dump-flows BRIDGE [MATCH]
                        ovs-ofctl [-O V] add-flow BRIDGE FLOW
                        ovs-ofctl [-O V] [--strict] del-flows BRIDGE [MATCH]

There are no processes and no files behind it.  Every instance serves every port that somebody asks for, so
that what decides is the network alone.

Invariant: whatever else is asked for is refused in one sentence that says what there is; nothing is ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sdn_lab.backends.sim.instance import Instance
from sdn_lab.backends.sim.ran import Ran
from sdn_lab.model.diagnostic import ApparatusError, InputError
from sdn_lab.model.intent import IPAddress
from sdn_lab.openflow.action import ANY
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.packet_parse import TCP, UDP
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire import request
from sdn_lab.openflow.wire.error import WireError

if TYPE_CHECKING:
    from sdn_lab.backends.sim.lab import SimLab

OFFERED = "ping, arp, tcp, udp in an instance; ovs-ofctl dump-flows, add-flow, del-flows on a hypervisor"
BRIDGES: Mapping[str, str] = {"br-int": "", "br-phy": "/underlay"}
_SAID = b"sdn-lab"
_MISUSED = 2  # as most programs say it
_COOKIE = re.compile(r"(?:^|,)\s*cookie=([^/,\s]+)/([^,\s]+)")
_WITHOUT_VALUE = {"--names", "--no-names", "--no-stats"}


class _MisuseError(Exception):
    """The words make no sense; the message says why, for standard error."""


def run(lab: SimLab, node: str, argv: Sequence[str], descriptors: Sequence[int]) -> Ran:
    """Do what *argv* says at *node*; write to *descriptors* (input, output, error).

    Raises ApparatusError for a program that there is not.
    """
    program, words = argv[0], list(argv[1:])
    try:
        if node in lab.assignment.datapaths:
            if program != "ovs-ofctl":
                raise _not_here(program)
            said, status = _ofctl(lab, node, words)
        elif program in _IN_AN_INSTANCE:
            said, status = _IN_AN_INSTANCE[program](lab, lab.network.instances[node], words)
        else:
            raise _not_here(program)
    except _MisuseError as error:
        _write(descriptors[2], f"{program}: {error}\n")
        return Ran(_MISUSED)
    except (InputError, WireError) as error:
        _write(descriptors[2], f"{error}\n")
        return Ran(1)
    _write(descriptors[1], said)
    return Ran(status)


def _write(descriptor: int, text: str) -> None:
    left = text.encode()
    while left:
        left = left[os.write(descriptor, left) :]


def _not_here(program: str) -> ApparatusError:
    return ApparatusError(
        f"the simulator has no {program} here: it offers {OFFERED}; --backend mininet runs any program"
    )


# -- in an instance


def _ping(lab: SimLab, us: Instance, words: list[str]) -> tuple[str, int]:
    count = 1
    wanted = []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            count = _number(words.pop(0), "a count", 1, 1000)
        elif word == "-W" and words:
            _number(words.pop(0), "a number of seconds", 1, 1000)  # nothing is ever late here
        elif word not in {"-4", "-6"}:
            wanted.append(word)
    to = _address(us, wanted, 1)
    lines = [f"PING {to}"]
    received = 0
    for number in range(1, count + 1):
        with lab.awake(us) as own:
            us.ping(to, own)
            lab.run()
            if ("echo", to, own, _SAID) in us.heard:
                received += 1
                lines.append(f"reply from {to}: icmp_seq={number}")
    lost = 100 * (count - received) // count
    lines.append(f"{count} packets transmitted, {received} received, {lost}% packet loss")
    return "\n".join(lines) + "\n", 0 if received else 1


def _arp(lab: SimLab, us: Instance, words: list[str]) -> tuple[str, int]:
    to = _address(us, words, 1)
    with lab.awake(us) as own:
        us.ping(to, own)
        lab.run()
        found = us.neighbour(to)
    if found is None:
        return f"{to}: no answer\n", 1
    return f"{to} is at {found.hex(':')}\n", 0


def _tcp(lab: SimLab, us: Instance, words: list[str]) -> tuple[str, int]:
    return _connect(lab, us, words, TCP)


def _udp(lab: SimLab, us: Instance, words: list[str]) -> tuple[str, int]:
    return _connect(lab, us, words, UDP)


def _connect(lab: SimLab, us: Instance, words: list[str], protocol: int) -> tuple[str, int]:
    to = _address(us, words, 2)
    l4_port = _number(words[1], "a port", 1, 65535)
    with lab.awake(us, service=(protocol, l4_port)) as own:
        if protocol == TCP:
            us.connect(to, l4_port, own, _SAID)
        else:
            us.datagram(to, l4_port, own, _SAID)
        lab.run()
        answered = ("data", to, own, _SAID) in us.heard
    name = "tcp" if protocol == TCP else "udp"
    return f"{to} {name} {l4_port}: {'answered' if answered else 'no answer'}\n", 0 if answered else 1


_IN_AN_INSTANCE: Mapping[str, Callable[[SimLab, Instance, list[str]], tuple[str, int]]] = {
    "ping": _ping,
    "arp": _arp,
    "tcp": _tcp,
    "udp": _udp,
}


def _address(us: Instance, words: Sequence[str], number: int) -> IPAddress:
    if len(words) != number:
        raise _MisuseError("wants " + ("an address" if number == 1 else "an address and a port"))
    try:
        to = ip_address(words[0])
    except ValueError:
        raise _MisuseError(f"'{words[0]}' is no IP address") from None
    if us.address(to.version) is None:
        raise _MisuseError(f"this instance has no IPv{to.version} address")
    return to


def _number(text: str, what: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise _MisuseError(f"'{text}' is not {what} from {low} to {high}")
    return int(text)


# -- on a hypervisor


def _ofctl(lab: SimLab, hypervisor: str, words: list[str]) -> tuple[str, int]:
    strict, rest = False, list[str]()
    while words:
        word = words.pop(0)
        if word in {"-O", "--protocols"} and words:
            words.pop(0)
        elif word == "--strict":
            strict = True
        elif word not in _WITHOUT_VALUE and not word.startswith(("--protocols=", "-O", "--timeout=")):
            rest.append(word)
    if len(rest) < 2 or rest[0] not in {"dump-flows", "add-flow", "del-flows"}:
        raise _MisuseError(f"the simulator offers dump-flows, add-flow, del-flows, not '{' '.join(rest)}'")
    command, bridge, *more = rest
    if bridge not in BRIDGES:
        raise _MisuseError(f"there is no bridge {bridge} here; there are {', '.join(BRIDGES)}")
    if len(more) > 1 or (command == "add-flow" and not more):
        raise _MisuseError(f"{command} wants a bridge and one flow, in one word")
    datapath = hypervisor + BRIDGES[bridge]
    if command == "dump-flows":
        return _dump(lab, datapath, more), 0
    if command == "add-flow":
        [entry] = parse_flows(more[0], "add-flow")
        _change(lab, datapath, request.ADD, entry)
        return "", 0
    entry, mask = _selector(more)
    _change(lab, datapath, request.DELETE_STRICT if strict else request.DELETE, entry, mask)
    return "", 0


def _dump(lab: SimLab, datapath: str, more: Sequence[str]) -> str:
    entry, mask = _selector(more)
    query = request.FlowQuery(
        table_id=entry.table_id,
        match=entry.match,
        cookie=entry.cookie,
        cookie_mask=mask,
        out_port=ANY,
        out_group=ANY,
    )
    with lab.working():
        return "".join(f"{format_entry(row.entry)}\n" for row in lab.switch(datapath).query(query))


def _selector(more: Sequence[str]) -> tuple[FlowEntry, int]:
    """Return what a match selects, as an entry, and its cookie's mask; of all tables if it names none."""
    text = more[0] if more else ""
    cookie, mask = 0, 0
    found = _COOKIE.search(text)
    if found is not None:
        cookie, mask = int(found[1], 0), int(found[2], 0) & 0xFFFFFFFFFFFFFFFF
        text = text[: found.start()] + text[found.end() :]
    [entry] = parse_flows(f"{text} actions=drop", "match")
    table = entry.table_id if re.search(r"\btable=", text) else request.ALL_TABLES
    return replace(entry, table_id=table, cookie=cookie), mask


def _change(lab: SimLab, datapath: str, command: int, entry: FlowEntry, cookie_mask: int = 0) -> None:
    """Do a flow-mod as if a controller had sent it.  Raises WireError."""
    switch = lab.switch(datapath)
    mod = request.FlowMod(command=command, entry=entry, cookie_mask=cookie_mask, out_port=ANY, out_group=ANY)
    with lab.working():
        switch.on_removed(switch.flow_mod(mod))
        lab.run()
