"""FW-08: connection tracking, in order and out of order.

Whole conversations where they are allowed (handshake and data, question and answer, echo, an error
about one's own datagram), which are also the positive control; then what only pretends to belong to one:
bare ACK, RST, SYN-ACK, odd flags; packets after a refused opening; the answer to a flow that was refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.intent import Port
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import ICMP_OF, REPLY_TYPES, SCTP, TCP, UDP, Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import (
    ACK,
    ANSWER_SEQ,
    CWR,
    DATA_BYTES,
    ECE,
    FIN,
    OPENING_SEQ,
    PSH,
    RST,
    SYN,
    URG,
    Ends,
)
from sdn_lab.observe.gateways import some_may_talk
from sdn_lab.observe.probes.controls import could_be_an_answer, crossing, proves
from sdn_lab.observe.world import World

ALWAYS_SCANNED = {True: (ACK, RST), False: (ACK, SYN | ACK)}  # an open port, a closed one
SCANNED = (
    ACK,
    RST,
    SYN | ACK,
    FIN,
    0,
    PSH | ACK,
    FIN | ACK,
    RST | ACK,
    FIN | PSH | URG,
    SYN | FIN,
    SYN | RST,
)
"""Tried in full once for every destination, one half over each family."""
ECHO = {4: 8, 6: 128}


def segment(
    world: World,
    src: Port,
    dst: Port,
    flow: Microflow,
    flags: int,
    expected: Expected,
    *,
    answering: bool = False,
    data: bool = False,
    more: bool = False,
) -> Shot:
    """Return a segment of the connection *flow* from *src* to *dst*; *answering*: from *dst* to *src*.

    *more*: after data in both directions.
    """
    sender, receiver = (dst, src) if answering else (src, dst)
    at = flow.reversed() if answering else flow
    ends = Ends(eth_src=sender.mac, eth_dst=receiver.mac, src=at.src, dst=at.dst)
    seq, ack = (ANSWER_SEQ, OPENING_SEQ + 1) if answering else (OPENING_SEQ, 0)
    if not flags & SYN:
        seq += 1
        ack = ANSWER_SEQ + 1 if not answering else OPENING_SEQ + 1 + DATA_BYTES
    if more:
        seq, ack = seq + DATA_BYTES, ack + DATA_BYTES
    nonce = world.nonces.draw()
    frame = frames.tcp(
        ends, at.src_l4, at.dst_l4, nonce, flags, seq=seq, ack=ack if flags & ACK else 0, data=data
    )
    return _shot(world, sender, receiver, frame, nonce, expected, flow.family)


def _shot(
    world: World, src: Port, dst: Port, frame: bytes, nonce: bytes, expected: Expected, family: int
) -> Shot:
    works = expected is Expected.DELIVERED
    frame, arriving = world.gateways.along(src, dst, frame)
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frame,
        arriving=arriving,
        nonce=nonce,
        expected=expected,
        bears_on=world.claims_on(src, dst),
        proves=proves(f"ip{family}", src, dst) if works else (),
        leans_on=() if works else crossing(f"ip{family}", src, dst),
    )


def datagram(world: World, src: Port, dst: Port, flow: Microflow, expected: Expected) -> Shot:
    """Return the opening packet of *flow* as one step of a conversation."""
    nonce = world.nonces.draw()
    return _shot(world, src, dst, frames.opening(flow, src.mac, dst.mac, nonce), nonce, expected, flow.family)


def find(world: World, src: Port, dst: Port, family: int, protocol: int, *, opens: bool) -> Microflow | None:
    """Return a fresh flow that may, or may not, be opened.

    Of those that may not, one that *src*'s own groups let go, if there is one: then some tracker knows it.
    """
    spare = None
    for a, b in world.flows(src, dst, family):
        for number in world.boundaries(src, dst, protocol):
            flow = Microflow(src=a, dst=b, protocol=protocol, src_l4=20000, dst_l4=number)
            if world.opens(src, dst, flow) is opens:
                if opens or world.semantics(src, dst).egress.admits(flow):
                    return world.flow(a, b, protocol, number)
                spare = spare or (a, b, number)
    return world.flow(spare[0], spare[1], protocol, spare[2]) if spare else None


def conversations(world: World) -> Iterator[Case]:
    """FW-08."""
    scanned_fully: set[str] = set()
    for src, dst in world.talking_pairs():
        for family in (4, 6):
            flow = find(world, src, dst, family, TCP, opens=True)
            closed = find(world, src, dst, family, TCP, opens=False)
            if flow is not None and world.due("FW-08"):
                yield Case(probe="FW-08", shots=_handshake(world, src, dst, flow))
            if closed is not None and world.due("FW-08"):
                yield Case(probe="FW-08", shots=tuple(_after_refusal(world, src, dst, closed)))
            if world.due("FW-08"):
                yield from _datagrams(world, src, dst, family)
                yield from _association(world, src, dst, family)
            full = f"{dst.path}/{family}" not in scanned_fully
            scanned_fully.add(f"{dst.path}/{family}")
            yield from _scan(world, src, dst, family, full=full)


def _handshake(world: World, src: Port, dst: Port, flow: Microflow) -> tuple[Shot, ...]:
    arrives = Expected.DELIVERED
    return (
        segment(world, src, dst, flow, SYN, arrives),
        segment(world, src, dst, flow, SYN | ACK, arrives, answering=True),
        segment(world, src, dst, flow, PSH | ACK, arrives, data=True),
        segment(world, src, dst, flow, PSH | ACK, arrives, answering=True, data=True),
        segment(world, src, dst, flow, RST | ACK, arrives, more=True),  # or trackers keep it for a day
    )


def _after_refusal(world: World, src: Port, dst: Port, flow: Microflow) -> Iterator[Shot]:
    """Yield a refused opening, then what would belong to its connection, then the answer."""
    nothing = Expected.NOTHING
    yield segment(world, src, dst, flow, SYN, nothing)
    yield segment(world, src, dst, flow, ACK, nothing)
    yield segment(world, src, dst, flow, PSH | ACK, nothing, data=True)
    back = world.answer(src, dst, flow)
    opening = _at_least(back, world, dst, src, flow.reversed())
    yield segment(world, src, dst, flow, SYN | ACK, back, answering=True)
    yield segment(world, src, dst, flow, SYN, opening, answering=True)


def _at_least(answer: Expected, world: World, src: Port, dst: Port, flow: Microflow) -> Expected:
    """Return what to expect of a packet that may pass as an answer, or as the opening of *flow*."""
    return Expected.DELIVERED if world.opens(src, dst, flow) else answer


def _datagrams(world: World, src: Port, dst: Port, family: int) -> Iterator[Case]:
    """Yield question and answer, an error about an opening, echo; and the answer to a refused question."""
    flow = find(world, src, dst, family, UDP, opens=True)
    if flow is not None:
        question = datagram(world, src, dst, flow, Expected.DELIVERED)
        yield Case(
            probe="FW-08",
            shots=(question, datagram(world, dst, src, flow.reversed(), Expected.DELIVERED)),
        )
    flow = next(filter(None, (find(world, src, dst, family, p, opens=True) for p in (UDP, TCP))), None)
    if flow is not None:
        question = datagram(world, src, dst, flow, Expected.DELIVERED)
        nonce = world.nonces.draw()
        ends = Ends(eth_src=dst.mac, eth_dst=src.mac, src=flow.dst, dst=flow.src)
        frame = frames.icmp_unreachable(ends, question.arriving or question.frame, nonce)
        yield Case(
            probe="FW-08",
            shots=(question, _shot(world, dst, src, frame, nonce, Expected.DELIVERED, family)),
        )
    refused = find(world, src, dst, family, UDP, opens=False)
    if refused is not None:
        question = datagram(world, src, dst, refused, Expected.NOTHING)
        back = refused.reversed()
        expected = _at_least(world.answer(src, dst, refused), world, dst, src, back)
        yield Case(probe="FW-08", shots=(question, datagram(world, dst, src, back, expected)))
    addresses = next(world.flows(src, dst, family), None)
    if addresses is not None:
        yield _echo(world, src, dst, world.flow(*addresses, ICMP_OF[family], ECHO[family]))


def _association(world: World, src: Port, dst: Port, family: int) -> Iterator[Case]:
    """Yield an SCTP opening, its answer, and an answer from a port that was not asked.

    The tracker knows no SCTP ports, so that only the groups can tell the last two apart.
    """
    flow = find(world, src, dst, family, SCTP, opens=True)
    if flow is None:
        return
    shots = [
        datagram(world, src, dst, flow, Expected.DELIVERED),
        datagram(world, dst, src, flow.reversed(), Expected.DELIVERED),
    ]
    unasked = replace(flow, dst_l4=flow.dst_l4 % 65535 + 1)
    expected = _at_least(world.answer(src, dst, unasked), world, dst, src, unasked.reversed())
    if expected is Expected.NOTHING and not could_be_an_answer(world, dst, unasked.reversed()):
        shots.append(datagram(world, dst, src, unasked.reversed(), expected))
    yield Case(probe="FW-08", shots=tuple(shots), phase=1)


def _echo(world: World, src: Port, dst: Port, flow: Microflow) -> Case:
    """Return an echo request and the reply to it, or a reply that nobody asked for."""
    request = datagram(world, src, dst, flow, world.expected(src, dst, flow))
    nonce = world.nonces.draw()
    ends = Ends(eth_src=dst.mac, eth_dst=src.mac, src=flow.dst, dst=flow.src)
    frame = frames.icmp_query(ends, REPLY_TYPES[flow.family, flow.icmp_type], flow.src_l4, nonce)
    reply = _shot(world, dst, src, frame, nonce, world.answer(src, dst, flow), flow.family)
    return Case(probe="FW-08", shots=(request, reply))


def _scan(world: World, src: Port, dst: Port, family: int, *, full: bool) -> Iterator[Case]:
    """Yield segments out of nowhere, to a port that is open and to one that is not; only a SYN may open."""
    for opens in (True, False):
        chosen = dict.fromkeys((*ALWAYS_SCANNED[opens], *(SCANNED[family // 6 :: 2] if full else ())))
        for flag in filter(lambda _: full or world.due("FW-08"), chosen):
            flow = find(world, src, dst, family, TCP, opens=opens)
            if flow is not None:
                yield Case(probe="FW-08", shots=(segment(world, src, dst, flow, flag, Expected.NOTHING),))
        flow = find(world, src, dst, family, TCP, opens=opens)
        if flow is not None and full:
            expected = world.expected(src, dst, flow)
            yield Case(probe="FW-08", shots=(segment(world, src, dst, flow, SYN | ECE | CWR, expected),))


FAMILIES = (
    Family("FW-08", "conversations, and packets that pretend to belong to one", some_may_talk, conversations),
)
