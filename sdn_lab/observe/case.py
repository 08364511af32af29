"""What a probe is: one or more packets in order, and what should become of each.

A `Shot` is one packet with its own nonce.  A `Case` is a short sequence of shots, e.g. SYN, SYN-ACK, data;
each step is sent in a window after the one before it has been looked for.  A `Family` makes the cases of
one row of the catalogue.

Invariants
----------
1.  A shot's expectation follows from the claims alone, never from a flow entry.
2.  Every shot of every case uses L4 ports, or an ICMP identifier, of its own case: kernels answer probes and
    connection tracking remembers them, so two cases must never share a 5-tuple (FW-17, which tries source
    ports that the tables look at, sends only what must be dropped).
3.  Sending a shot twice changes no expectation: a window that lost its markers is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Expected

if TYPE_CHECKING:
    from sdn_lab.observe.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One packet, sent at port *src*.

    *dst* is the port that it is for, or empty where it is for nobody.  With *confined* it must not even
    travel to another hypervisor under its own network's VNI (a forged sender); without, that is no leak.
    *arriving* is what *dst* must receive, where that is not what was sent: a routed packet, which travels in
    *dst*'s network, or an answer, to the sender itself.  *copies* are ports that may receive one too (others'
    shots speak of theirs).
    *redirected*: the addressee may receive it with its own MAC as destination (ARP requests,
    solicitations). *bears_on*, *proves*, *leans_on*: see `model.observation.Observation`.
    """

    src: str
    dst: str
    frame: bytes
    nonce: bytes
    expected: Expected
    bears_on: tuple[str, ...]
    confined: bool = False
    arriving: bytes = b""
    copies: tuple[str, ...] = ()
    redirected: bool = False
    proves: tuple[str, ...] = ()
    leans_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sequence of shots.  *probe* is the catalogue's name.

    Cases of a lower *phase* run first: packets of protocols without ports share one connection per address
    pair, so what must be refused has to be tried before what opens it.
    """

    probe: str
    shots: tuple[Shot, ...]
    phase: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """One family of probes (`contracts.Probe`).  *title* says what it tries, for people."""

    name: str
    title: str
    applies: Callable[[Scenario], bool]
    cases: Callable[[World], Iterable[Case]]
