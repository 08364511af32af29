"""How long a connection lives without packets, by protocol and state.

The names and the seconds are those of Open vSwitch's ``CT_Timeout_Policy``, for its userspace tracker.  A
zone may have a policy of its own (`Tracker.timeouts`).

Reference: ovs-vswitchd.conf.db(5), table ``CT_Timeout_Policy``; ``lib/conntrack-tp.c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """What a connection has seen so far, as far as its life depends on it."""

    TCP_SYN_SENT = "tcp_syn_sent"
    TCP_SYN_RECV = "tcp_syn_recv"
    TCP_ESTABLISHED = "tcp_established"
    TCP_FIN_WAIT = "tcp_fin_wait"
    TCP_TIME_WAIT = "tcp_time_wait"
    TCP_CLOSE = "tcp_close"
    UDP_FIRST = "udp_first"
    UDP_SINGLE = "udp_single"
    UDP_MULTIPLE = "udp_multiple"
    ICMP_FIRST = "icmp_first"
    ICMP_REPLY = "icmp_reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for each stage.  Protocols without ports live as UDP does."""

    tcp_syn_sent: int = 30
    tcp_syn_recv: int = 30
    tcp_established: int = 86_400
    tcp_fin_wait: int = 900
    tcp_time_wait: int = 45
    tcp_close: int = 30
    udp_first: int = 60
    udp_single: int = 60
    udp_multiple: int = 30
    icmp_first: int = 60
    icmp_reply: int = 30

    def ns(self, stage: Stage) -> int:
        """Return the nanoseconds for a stage."""
        seconds: int = getattr(self, stage.value)
        return seconds * 1_000_000_000
