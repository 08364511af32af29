"""Delay, jitter, rate, queue and loss of underlay links, as far as this kernel has them.

    rate, queue     tbf, in every kernel that a lab runs on; the queue in bytes, as many as such frames have
    delay, jitter,  netem (with rate and queue, if there are; what the delay holds is not in the queue); where
    loss            it is missing they are not applied, and `apply` says so once

netem lets a frame overtake another where jitter allows it; the simulator does not.

A queue in front of a slow link holds what no datapath works on any more, and may lose it.  `Queues` tells:
a window is not over while one holds a frame, and what one dropped counts as lost, loss by netem included.

Reference: tc-tbf(8), tc-netem(8); rtnetlink(7), RTM_GETQDISC; linux/pkt_sched.h, struct tc_stats.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Link
from sdn_lab.process import run

_TC_S = 10
_LIMIT_BYTES = 1_000_000  # two windows of probes: they shall wait, not get lost
_LIMIT_FRAMES = 4096
_ETHERNET_BYTES, _LEAST_BYTES = 14, 64
_RTM_GETQDISC, _NLMSG_ERROR, _NLMSG_DONE = 38, 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_HEADER = struct.Struct("=IHHII")
_TCMSG_BYTES = 20
_TCA_STATS = 3
_STATS = struct.Struct("=QIIIIIII")  # bytes, packets, drops, overlimits, bps, pps, qlen, backlog
_LARGEST = 1 << 16


def apply(ends: Sequence[tuple[Link, str]], mtu: int) -> tuple[str, ...]:
    """Shape what leaves each interface as its link says, in the caller's network namespace.

    Returns what could not be applied, in words.
    """
    late = [interface for link, interface in ends if link.delay_ms or link.loss]
    netem = bool(late) and _tc(f"qdisc add dev {late[0]} root netem\n") is None
    wanted = [(interface, queue) for link, interface in ends if (queue := discipline(link, mtu, netem=netem))]
    remarks = []
    if late and not netem:
        remarks.append(
            "delay and loss of underlay links are not applied: this kernel has no netem; "
            "no verdict depends on them"
        )
    refused = wanted and _tc("".join(f"qdisc replace dev {dev} root {queue}\n" for dev, queue in wanted))
    if refused:
        remarks.append(f"rates of underlay links are not applied ({refused}); no verdict depends on them")
    return tuple(remarks)


def discipline(link: Link, mtu: int, *, netem: bool) -> str:
    """Return the queueing discipline of a link's end, in the words of ``tc``; empty: none is needed.

    >>> discipline(Link(between=("a", "b"), delay_ms=5, rate_bps=10**9), 1500, netem=False)
    'tbf rate 1000000000bit burst 1250000 limit 2250000'
    >>> discipline(Link(between=("a", "b"), delay_ms=5, rate_bps=10**9, loss=0.001), 1500, netem=True)
    'netem limit 4096 delay 5000us loss 0.1% rate 1000000000bit'
    >>> short = Link(between=("a", "b"), delay_ms=5, jitter_ms=2, rate_bps=10**6, queue=9)
    >>> discipline(short, 1500, netem=True)
    'netem limit 23 delay 5000us 2000us rate 1000000bit'
    >>> discipline(short, 1500, netem=False)
    'tbf rate 1000000bit burst 15000 limit 28626'
    """
    if netem and (link.delay_ms or link.loss):
        late = round((link.delay_ms + link.jitter_ms) / 1000 * link.rate_bps / 8 / _LEAST_BYTES)
        limit = link.queue + late if link.queue else _LIMIT_FRAMES
        words = f"netem limit {limit} delay {round(link.delay_ms * 1000)}us"
        words += f" {round(link.jitter_ms * 1000)}us" if link.jitter_ms else ""
        words += f" loss {link.loss * 100:g}%" if link.loss else ""
        return words + (f" rate {link.rate_bps}bit" if link.rate_bps else "")
    if link.rate_bps:
        burst = max(10 * mtu, link.rate_bps // 800)  # 10 ms: a timer is no finer on some kernels
        waiting = link.queue * (mtu + _ETHERNET_BYTES) if link.queue else _LIMIT_BYTES
        return f"tbf rate {link.rate_bps}bit burst {burst} limit {burst + waiting}"
    return ""


def _tc(commands: str) -> str | None:
    """Run ``tc`` commands; return why they are refused, or None."""
    told = run(["tc", "-batch", "-"], _TC_S, stdin=commands, check=False)
    return None if told.status == 0 else " ".join(told.stderr.split()).removeprefix("Error: ") or "no reason"


class Queues:
    """What waits in front of the links of the caller's network namespace, and what they dropped."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_TC_S)
        self._reported = 0

    def empty(self) -> bool:
        """Say whether nothing waits."""
        return not any(waiting for _, waiting in self._ask())

    def lost(self) -> int:
        """Return how many frames were dropped since the last call."""
        drops = sum(dropped for dropped, _ in self._ask())
        new, self._reported = drops - self._reported, drops
        return new

    def _ask(self) -> Iterator[tuple[int, int]]:
        """Yield (dropped, waiting) of every queue."""
        size = _HEADER.size + _TCMSG_BYTES
        head = _HEADER.pack(size, _RTM_GETQDISC, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        self._socket.send(head + bytes(_TCMSG_BYTES))
        found: list[tuple[int, int]] = []
        while True:
            for kind, body in _messages(self._socket.recv(_LARGEST)):
                if kind == _NLMSG_DONE:
                    return iter(found)
                if kind == _NLMSG_ERROR:
                    raise LabError("the kernel does not tell what waits in front of the underlay's links")
                found += _stats(body[_TCMSG_BYTES:])


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : size]
        data = data[(size + 3) & ~3 :]


def _stats(attributes: bytes) -> Iterator[tuple[int, int]]:
    while len(attributes) >= 4:
        size, kind = struct.unpack_from("=HH", attributes)
        if kind == _TCA_STATS:
            _, _, drops, _, _, _, waiting, _ = _STATS.unpack_from(attributes, 4)
            yield drops, waiting
        attributes = attributes[(size + 3) & ~3 :]
