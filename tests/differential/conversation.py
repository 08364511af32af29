"""Frames of microflows: the opening packet, the answer, what follows; built without scapy.

A unique *mark* (16 bits) makes each conversation its own: it is the source port of TCP and UDP and the
identifier of ICMP echo.  Protocols without such a field have one conversation per address pair.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sdn_lab.model.intent import Port
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow
from sdn_lab.openflow import frames

SYN, ACK, RST, FIN, PSH = 0x02, 0x10, 0x04, 0x01, 0x08
ANSWER_TYPE = {8: 0, 13: 14, 15: 16, 128: 129}
FIRST_MARK = 20000


def marked(flow: Microflow, mark: int) -> Microflow:
    """Give a ported flow its own source port, unless the flow's source port is what is tested."""
    if flow.protocol in (TCP, UDP) and flow.src_l4 not in (67, 547):
        return replace(flow, src_l4=mark)
    return flow


def frame(src: Port, dst: Port, flow: Microflow, *, mark: int, **segment: Any) -> bytes:
    """Return *flow*'s packet from *src*'s MAC to *dst*'s MAC, whatever addresses the flow has.

    *segment*: flags, seq, ack, data, where the protocol has them.
    """
    return ethernet(src.mac, dst.mac, flow, l4(flow, mark=mark, **segment))


def ethernet(src_mac: str, dst_mac: str, flow: Microflow, message: bytes, *, ttl: int = 64) -> bytes:
    """Wrap an L4 message into IP and Ethernet."""
    if flow.family == 4:
        packet = frames.ipv4(flow.src, flow.dst, flow.protocol, message, ttl=ttl)
        return frames.ethernet(src_mac, dst_mac, 0x0800, packet)
    packet = frames.ipv6(flow.src, flow.dst, flow.protocol, message, hop_limit=ttl)
    return frames.ethernet(src_mac, dst_mac, 0x86DD, packet)


def l4(
    flow: Microflow, *, mark: int, flags: int = SYN, seq: int = 1000, ack: int = 0, data: bytes = b""
) -> bytes:
    """Return the transport part of a flow's packet."""
    if flow.protocol == TCP:
        return frames.tcp(flow.src, flow.dst, flow.src_l4, flow.dst_l4, data, flags=flags, seq=seq, ack=ack)
    if flow.protocol == UDP:
        return frames.udp(flow.src, flow.dst, flow.src_l4, flow.dst_l4, data or b"datagram")
    if flow.protocol == SCTP:
        return frames.sctp(flow.src_l4, flow.dst_l4, b"\x01\x00\x00\x14" + bytes(16))
    body = mark.to_bytes(2) + b"\x00\x01" + bytes(16)
    if flow.protocol == ICMP and flow.family == 4:
        return frames.icmp(flow.icmp_type, flow.icmp_code, body)
    if flow.protocol == ICMPV6 and flow.family == 6:
        return frames.icmpv6(flow.src, flow.dst, flow.icmp_type, flow.icmp_code, body)
    return data or bytes(24)


def answer(flow: Microflow) -> Microflow:
    """Return what the addressee sends back."""
    back = flow.reversed()
    is_icmp = flow.protocol == (ICMP if flow.family == 4 else ICMPV6)
    return replace(back, icmp_type=ANSWER_TYPE.get(flow.icmp_type, flow.icmp_type)) if is_icmp else back


def error_about(flow: Microflow, message: bytes) -> tuple[Microflow, bytes]:
    """Return "port unreachable" about a packet that its addressee received, and the flow to wrap it in."""
    back = flow.reversed()
    if flow.family == 4:
        quoted = frames.ipv4(flow.src, flow.dst, flow.protocol, message)
        return replace(back, protocol=ICMP), frames.icmp(3, 3, bytes(4) + quoted)
    quoted = frames.ipv6(flow.src, flow.dst, flow.protocol, message)
    body = bytes(4) + quoted
    return replace(back, protocol=ICMPV6), frames.icmpv6(back.src, back.dst, 1, 4, body)


def has_own_conversation(flow: Microflow) -> bool:
    """Say whether the tracker tells this flow from others between the same addresses."""
    return flow.protocol in (TCP, UDP) or flow.protocol == (ICMP if flow.family == 4 else ICMPV6)
