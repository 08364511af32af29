"""A tenant's instance: a network stack just large enough to be honest.

It answers ARP and neighbour solicitations for its own addresses, ICMP echo, TCP (a listening port echoes what
it is sent, any other resets) and UDP (likewise, or port unreachable); it can ask the same of others.  It is
*deaf* until told otherwise: then frames are seen at its port but not answered, so that probes hear no echo.

It sends through a gateway where it has a route, and takes every other address to be on its link.
Not here: retransmission (nothing is lost), congestion, fragments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from sdn_lab.backends.routes import Route
from sdn_lab.model.intent import IPAddress
from sdn_lab.openflow import packet
from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6
from sdn_lab.openflow.frames import TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, TCP, UDP, Dissection

_BROADCAST = b"\xff" * 6
_ECHO = {ICMP: (8, 0), ICMPV6: (128, 129)}  # request, reply
_UNREACHABLE = {ICMP: (3, 3), ICMPV6: (1, 4)}  # port unreachable: type, code
_SEQUENCE = 1000

Peer = tuple[IPAddress, int, int]  # address, its port, our port


@dataclass(slots=True)
class _Stream:
    """Our end of a TCP connection: what we send next, what we expect next."""

    send: int
    expect: int = 0


@dataclass(slots=True)
class Instance:
    """One port's stack.  *send* takes the frames that it sends."""

    mac: str
    ips: tuple[IPAddress, ...]
    send: Callable[[bytes], None]
    routes: tuple[Route, ...] = ()
    deaf: bool = True
    listening: set[tuple[int, int]] = field(default_factory=set)  # (protocol, port)
    heard: list[tuple[str, IPAddress, int, bytes]] = field(default_factory=list)
    """Answers: (``echo``, ``data``, ``reset`` or ``unreachable``, who, our port or identifier, payload)."""
    served: set[str] = field(default_factory=set)
    """What it did for others: ``echo``, ``data``."""
    _known: dict[IPAddress, bytes] = field(default_factory=dict)
    _waiting: list[tuple[IPAddress, IPAddress, int, bytes]] = field(default_factory=list)  # next hop first
    _opening: dict[Peer, tuple[_Stream, bytes]] = field(default_factory=dict)
    _streams: dict[Peer, _Stream] = field(default_factory=dict)

    def address(self, family: int) -> IPAddress | None:
        """Return its first address of a family, 4 or 6."""
        return next((ip for ip in self.ips if ip.version == family), None)

    def neighbour(self, ip: IPAddress) -> bytes | None:
        """Return the MAC address that it knows for *ip*."""
        return self._known.get(ip)

    def forget(self) -> None:
        """Forget neighbours, connections and answers."""
        self._known.clear()
        self._waiting.clear()
        self._opening.clear()
        self._streams.clear()
        self.heard.clear()
        self.served.clear()

    # -- asking

    def ping(self, dst: IPAddress, ident: int) -> None:
        """Send an echo request; the answer is heard as ``echo``."""
        src = self._source(dst)
        if dst.version == 4:
            self._transmit(dst, ICMP, packet.icmp_echo(ident, 1, b"sdn-lab"))
        else:
            self._transmit(dst, ICMPV6, packet.icmpv6_echo(src, dst, ident, 1, b"sdn-lab"))

    def connect(self, dst: IPAddress, l4_port: int, own: int, data: bytes) -> None:
        """Open a connection and send *data*; what comes back is heard as ``data`` or ``reset``."""
        self._opening[dst, l4_port, own] = _Stream(_SEQUENCE + 1), data
        src = self._source(dst)
        self._transmit(dst, TCP, packet.tcp(src, dst, own, l4_port, flags=TCP_SYN, seq=_SEQUENCE))

    def datagram(self, dst: IPAddress, l4_port: int, own: int, data: bytes) -> None:
        """Send a datagram; what comes back is heard as ``data`` or ``unreachable``."""
        self._transmit(dst, UDP, packet.udp(self._source(dst), dst, own, l4_port, data))

    def _source(self, dst: IPAddress) -> IPAddress:
        src = self.address(dst.version)
        assert src is not None, f"no IPv{dst.version} address"
        return src

    def _transmit(self, dst: IPAddress, proto: int, payload: bytes) -> None:
        """Send to *dst*, after asking who has it, or who has its gateway."""
        hop = next((r.gateway for r in self.routes if dst in r.prefix), dst)
        known = self._known.get(hop)
        if known is not None:
            self._ip(known, dst, proto, payload)
            return
        self._waiting.append((hop, dst, proto, payload))
        src = self._source(dst)
        if isinstance(hop, IPv4Address):
            ask = packet.arp(1, self.mac, str(src), 0, hop)
            self.send(packet.ethernet(self.mac, _BROADCAST, ETH_ARP, ask, pad=True))
        else:
            group = packet.solicited_node(hop)
            ask = packet.neighbour_solicit(src, hop, self.mac)
            mac = b"\x33\x33" + group.packed[12:]
            self.send(
                packet.ethernet(self.mac, mac, ETH_IPV6, packet.ipv6(src, group, ICMPV6, ask, hop_limit=255))
            )

    def _ip(self, mac: bytes, dst: IPAddress, proto: int, payload: bytes, hop_limit: int = 64) -> None:
        src = self._source(dst)
        if dst.version == 4:
            self.send(packet.ethernet(self.mac, mac, ETH_IP, packet.ipv4(src, dst, proto, payload)))
        else:
            body = packet.ipv6(src, dst, proto, payload, hop_limit=hop_limit)
            self.send(packet.ethernet(self.mac, mac, ETH_IPV6, body))

    def _learn(self, ip: IPAddress, mac: bytes) -> None:
        self._known[ip] = mac
        ready = [w for w in self._waiting if w[0] == ip]
        self._waiting = [w for w in self._waiting if w[0] != ip]
        for _, dst, proto, payload in ready:
            self._ip(mac, dst, proto, payload)

    # -- answering

    def receive(self, frame: bytes) -> None:
        """Take a frame from the wire."""
        if self.deaf or len(frame) < 14:
            return
        if not frame[0] & 1 and frame[:6] != packet.mac_bytes(self.mac):
            return
        found = packet.dissect(frame)
        if found.tagged:
            return
        kind = found.fields.get("eth_type")
        if kind == ETH_ARP and "arp_op" in found.fields:
            self._arp(found.fields)
        elif kind in (ETH_IP, ETH_IPV6) and found.l4 is not None:
            self._packet(frame, found)

    def _arp(self, fields: dict[str, int]) -> None:
        sender, target = IPv4Address(fields["arp_spa"]), IPv4Address(fields["arp_tpa"])
        mac = fields["arp_sha"].to_bytes(6, "big")
        if target not in self.ips:
            return
        if fields["arp_op"] == 1:
            answer = packet.arp(2, self.mac, target, mac, sender)
            self.send(packet.ethernet(self.mac, mac, ETH_ARP, answer, pad=True))
        elif fields["arp_op"] == 2:
            self._learn(sender, mac)

    def _packet(self, frame: bytes, found: Dissection) -> None:
        fields = found.fields
        four = "ipv4_src" in fields
        src = ip_address(
            frame[found.l3 + 12 : found.l3 + 16] if four else frame[found.l3 + 8 : found.l3 + 24]
        )
        proto, mac = fields.get("ip_proto"), frame[6:12]
        body = frame[found.l4 : found.end]
        if proto == ICMPV6 and fields.get("icmpv6_type") in (135, 136):
            self._neighbour(fields, src, mac)
            return
        to = ip_address(
            frame[found.l3 + 16 : found.l3 + 20] if four else frame[found.l3 + 24 : found.l3 + 40]
        )
        if to not in self.ips or fields.get("ip_frag"):
            return
        if proto in (ICMP, ICMPV6):
            self._icmp(proto, src, mac, body)
        elif proto == TCP and len(body) >= 20:
            self._tcp(src, mac, body)
        elif proto == UDP and len(body) >= 8:
            self._udp(frame[found.l3 : found.end], src, mac, body)

    def _neighbour(self, fields: dict[str, int], src: IPAddress, mac: bytes) -> None:
        target = IPv6Address(fields["nd_target"])
        if fields["icmpv6_type"] == 136:
            self._learn(target, fields["nd_tll"].to_bytes(6, "big") if fields.get("nd_tll") else mac)
        elif target in self.ips and isinstance(src, IPv6Address) and int(src):
            advert = packet.neighbour_advert(target, src, target, self.mac)
            self._ip(mac, src, ICMPV6, advert, hop_limit=255)

    def _icmp(self, proto: int, src: IPAddress, mac: bytes, body: bytes) -> None:
        ask, answer = _ECHO[proto]
        ident = int.from_bytes(body[4:6], "big")
        if body[0] == ask:
            self.served.add("echo")
            if proto == ICMP:
                self._ip(mac, src, ICMP, packet.icmp(answer, 0, body[4:]))
            else:
                self._ip(mac, src, ICMPV6, packet.icmpv6(self._source(src), src, answer, 0, body[4:]))
        elif body[0] == answer:
            self.heard.append(("echo", src, ident, body[8:]))
        elif (body[0], body[1]) == _UNREACHABLE[proto]:
            header = 20 if proto == ICMP else 40
            own = int.from_bytes(body[8 + header : 10 + header], "big")
            self.heard.append(("unreachable", src, own, b""))

    def _udp(self, datagram: bytes, src: IPAddress, mac: bytes, body: bytes) -> None:
        theirs, own = (int.from_bytes(body[n : n + 2], "big") for n in (0, 2))
        us = self._source(src)
        if (UDP, own) in self.listening:
            self.served.add("data")
            self._ip(mac, src, UDP, packet.udp(us, src, own, theirs, body[8:]))
        elif own >= 0x8000:  # ours: an answer to what we sent
            self.heard.append(("data", src, own, body[8:]))
        elif src.version == 4:
            self._ip(mac, src, ICMP, packet.icmp(3, 3, bytes(4) + datagram[:28]))
        else:
            self._ip(mac, src, ICMPV6, packet.icmpv6(us, src, 1, 4, bytes(4) + datagram[:48]))

    def _tcp(self, src: IPAddress, mac: bytes, body: bytes) -> None:
        theirs, own = (int.from_bytes(body[n : n + 2], "big") for n in (0, 2))
        sequence, acked = (int.from_bytes(body[n : n + 4], "big") for n in (4, 8))
        flags, data = body[13] & 0x3F, body[(body[12] >> 4) * 4 :]
        peer = src, theirs, own
        if flags & TCP_RST:
            self._streams.pop(peer, None)
            if self._opening.pop(peer, None) is not None:
                self.heard.append(("reset", src, own, b""))
        elif flags & TCP_SYN and flags & TCP_ACK and peer in self._opening:
            stream, first = self._opening.pop(peer)
            stream.expect = sequence + 1
            self._streams[peer] = stream
            self._segment(mac, peer, TCP_ACK)
            self._segment(mac, peer, TCP_PSH | TCP_ACK, first)
        elif flags & TCP_SYN and not flags & TCP_ACK and (TCP, own) in self.listening:
            self._streams[peer] = _Stream(_SEQUENCE, sequence + 1)
            self._segment(mac, peer, TCP_SYN | TCP_ACK)
        elif peer in self._streams:
            self._on_stream(mac, peer, sequence, flags, data)
        else:
            answer = packet.tcp(
                self._source(src), src, own, theirs, flags=TCP_RST | TCP_ACK, seq=acked, ack=sequence + 1
            )
            self._ip(mac, src, TCP, answer)

    def _on_stream(self, mac: bytes, peer: Peer, sequence: int, flags: int, data: bytes) -> None:
        stream = self._streams[peer]
        if sequence != stream.expect:
            return
        stream.expect += len(data)
        serves = (TCP, peer[2]) in self.listening
        if data and serves:
            self.served.add("data")
            self._segment(mac, peer, TCP_PSH | TCP_ACK, data)
        elif data:
            self.heard.append(("data", peer[0], peer[2], data))
            self._segment(mac, peer, TCP_FIN | TCP_ACK)
        if flags & TCP_FIN:
            stream.expect += 1
            self._segment(mac, peer, TCP_FIN | TCP_ACK if serves else TCP_ACK)
            if not serves:
                del self._streams[peer]

    def _segment(self, mac: bytes, peer: Peer, flags: int, data: bytes = b"") -> None:
        dst, theirs, own = peer
        stream = self._streams[peer]
        segment = packet.tcp(
            self._source(dst), dst, own, theirs, data, flags=flags, seq=stream.send, ack=stream.expect
        )
        stream.send += len(data) + bool(flags & (TCP_SYN | TCP_FIN))
        self._ip(mac, dst, TCP, segment)


def listen_on(instances: Iterable[Instance], proto: int, l4_port: int) -> None:
    """Open a port on several instances."""
    for instance in instances:
        instance.listening.add((proto, l4_port))
