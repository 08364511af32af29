"""``--datapath system``: what is other when the kernel forwards instead of ovs-vswitchd.

**Not measured.**  This was written from the sources and manuals of Open vSwitch 3.1 and Linux, on a machine
without the openvswitch module.  Commands and what is read are tested as text, nothing else is.  Every report
of such a run says so (`REMARK`).

What is other
-------------
- Bridges are of the type ``system``.  The kernel has one such datapath in each network namespace, so one in
  each hypervisor, and it goes with the lab.
- The kernel makes the tunnel packets and sends them by its own routes and neighbours, over br-phy's LOCAL
  port, which has the tunnel endpoint's address in userspace, too.  The underlay carries no ARP, so the peers
  are permanent neighbours of that port, instead of ``tnl/neigh/set``.
- Tunnel packets from peers pass br-phy's LOCAL port on their way in, and are no frames at the host stack.
- What is lost is not lost in packet sockets: the kernel counts packets that it could not hand to ovs-vswitchd
  (``dpctl/show``), and connections that its tracker had no room for (/proc/net/stat/nf_conntrack).
- The switch's handler threads look up what the kernel does not know; while one of them works, nobody is idle.
- A datapath whose ovs-vswitchd died goes on by what it has cached, and its tracker remembers.  A new
  ovs-vswitchd empties the cache; the tracker is emptied by `FORGET_ALL`, so that a restart is what it is in
  userspace.

Reference: ovs-vswitchd(8), ovs-dpctl(8); Linux, net/openvswitch, net/netfilter/nf_conntrack_standalone.c.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from sdn_lab.backends.mininet.idle import all_threads_sleep
from sdn_lab.backends.mininet.unixctl import Answer
from sdn_lab.model.diagnostic import LabError

TYPE = "system"
NAME = "kernel (system)"
REMARK = "the kernel's datapath (system) forwards, on which sdn_lab was not measured (docs/ovs-facts.md)"
SHOW = ("dpctl/show",)
FORGET_ALL = ("dpctl/flush-conntrack",)

_LOST = re.compile(r"^\s+lookups: hit:\d+ missed:\d+ lost:(\d+)$", re.MULTILINE)
_REFUSED = ("insert_failed", "drop", "early_drop")
_IPV4, _UDP = b"\x08\x00", 17


class Switch(Protocol):
    """The part of `ovs.OpenVSwitch` that is asked."""

    def control(self, commands: list[tuple[str, ...]]) -> list[Answer]: ...


def neighbours(device: str, peers: Mapping[str, str]) -> Iterator[str]:
    """Yield the ``ip`` commands that let the tunnel endpoint *device* know its peers, for ever.

    >>> list(neighbours("br-phy", {"172.31.0.2": "0e:00:00:00:00:02"}))
    ['neighbour replace 172.31.0.2 lladdr 0e:00:00:00:00:02 dev br-phy nud permanent']
    """
    for address, mac in peers.items():
        yield f"neighbour replace {address} lladdr {mac} dev {device} nud permanent"


def is_tunnel(frame: bytes, own: bytes, peers: Collection[bytes], l4_port: int) -> bool:
    """Say whether a frame is a tunnel packet from one of *peers* to us (addresses, packed), in one piece."""
    if (
        frame[12:14] != _IPV4
        or len(frame) < 42
        or frame[23] != _UDP
        or frame[20:22] not in {b"\0\0", b"\x40\0"}
    ):
        return False
    udp = 14 + 4 * (frame[14] & 15)
    return (
        frame[26:30] in peers
        and frame[30:34] == own
        and frame[udp + 2 : udp + 4] == l4_port.to_bytes(2, "big")
    )


def packed(addresses: Iterable[str]) -> frozenset[bytes]:
    """Return addresses, which may have a prefix length, as `is_tunnel` wants them."""
    return frozenset(IPv4Address(address.partition("/")[0]).packed for address in addresses)


def lost_upcalls(shown: str) -> int:
    r"""Return how many packets never reached ovs-vswitchd, as ``dpctl/show`` says.  Raises LabError.

    >>> lost_upcalls("system@ovs-system:\n  lookups: hit:12 missed:3 lost:1\n  flows: 2\n")
    1
    """
    found = _LOST.findall(shown)
    if len(found) != 1:
        raise LabError(f"dpctl/show does not say what one datapath lost: {' '.join(shown.split())[:200]}")
    return int(found[0])


def refused_connections(stat: str) -> int:
    """Return how many connections the tracker had no room for, as /proc/net/stat/nf_conntrack says.

    One line of headings, then one for each processor, in hexadecimal.  Raises LabError.
    """
    headings, *rows = (line.split() for line in stat.splitlines()) if stat else ([],)
    if not set(_REFUSED) <= set(headings) or not rows or any(len(row) != len(headings) for row in rows):
        raise LabError("the kernel does not say what its connection tracker drops")
    columns = [headings.index(name) for name in _REFUSED]
    return sum(int(row[column], 16) for row in rows for column in columns)


class KernelDatapath:
    """What `DatapathSockets` is in userspace: what datapaths lost, and whether they are at rest."""

    tight = False  # the kernel's queues hold more than a window, and count what they do not

    def __init__(self, switches: Iterable[Switch], pids: Iterable[int]) -> None:
        self._switches = tuple(switches)
        self._pids = tuple(pids)
        self._before = self._counts()

    def find(self) -> None:
        """Do nothing: there are no sockets to look for."""

    def watch(self, pids: Iterable[int]) -> None:
        """Look at these processes from now on."""
        self._pids = tuple(pids)

    def lost(self) -> int:
        """Return how much was lost since the last call; a switch that does not answer has lost something."""
        try:
            now = self._counts()
        except (LabError, OSError):
            return 1
        before, self._before = self._before, now
        return sum(n - was if n >= was else n for was, n in zip(before, now, strict=True))

    def idle(self) -> bool:
        """Say whether no thread of any switch has anything to do."""
        return all(all_threads_sleep(pid) for pid in self._pids)

    def _counts(self) -> list[int]:
        counts = []
        for switch, pid in zip(self._switches, self._pids, strict=True):
            [(shown, done)] = switch.control([SHOW])
            if not done:
                raise LabError(f"dpctl/show was refused: {shown}")
            counts.append(lost_upcalls(shown))
            counts.append(refused_connections(Path(f"/proc/{pid}/net/stat/nf_conntrack").read_text()))
        return counts
