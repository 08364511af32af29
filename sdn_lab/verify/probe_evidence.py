"""Which claims a probe's observation contradicts, and where that was seen.

==============================  ==================================================================
a packet of network A seen      contradicts
==============================  ==================================================================
at a port of network B          isolated A, B
under B's VNI on the underlay   isolated A, B
at its addressee, forbidden     exact, where the packet bears on it (of a network joined to A, too)
at a third port of A            no_sniffing of that port (of a network joined to A, too)
with a forged sender, anywhere  no_spoofing of the sender
with a tag, anywhere            clean of the sender, and of the port where it is seen
bare on the underlay            clean of the sender
altered, at its addressee       clean of the addressee
at the management plane         management of the sender
under another VNI than it must  clean of the sender
nowhere, though legitimate      exact, where the packet bears on it
where an intent forbids it      unreachable, whatever the groups say; likewise reachable
==============================  ==================================================================

Used by `verify.probe`, which weighs this evidence; nothing here doubts an observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sdn_lab.model.observation import Expected, Observation, Observations, PointKind, Sighting
from sdn_lab.model.verdict import Claim, Kind

_TARGETED = {Kind.NO_SPOOFING, Kind.CLEAN}  # contradicted by a forbidden packet wherever it is seen
_UNDELIVERED = "a legitimate packet does not arrive"
_UNANSWERED = "a gateway does not answer for its address"
_APPARATUS = {PointKind.MANAGEMENT, PointKind.PACKET_IN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One observation against one claim.  *where* is a port, or a watch point.

    *arrives*: that the packet was seen there is what contradicts; else that it was not.
    """

    claim: str
    observation: Observation
    what: str
    where: str
    arrives: bool = True

    @property
    def weight(self) -> tuple[bool, int]:
        """Order for showing: what reached a tenant first, then what needs the fewest packets before it."""
        return ":" in self.where.split("/")[0], len(self.observation.frames)


@dataclass(frozen=True, slots=True)
class Reading:
    """The claims, by id and by what they speak of, and what *seen* says of ports and gateways."""

    claims: Mapping[str, Claim]
    named: Mapping[tuple[Kind, tuple[str, ...]], str]
    seen: Observations

    @classmethod
    def of(cls, claims: Sequence[Claim], seen: Observations) -> Reading:
        """Index *claims*."""
        named = {(claim.kind, claim.objects): claim.id for claim in claims}
        return cls({claim.id: claim for claim in claims}, named, seen)

    def against(self, observation: Observation) -> Iterator[Evidence]:
        """Yield everything that *observation* contradicts."""
        about = [self.claims[claim_id] for claim_id in observation.bears_on if claim_id in self.claims]
        way = self._way(observation)
        for evidence in (*_missing(observation, about), *_wishes(observation, about)):
            yield replace(evidence, what=evidence.what + way)
        for sighting in observation.sightings:
            for claim_id in dict.fromkeys(self._by(observation, sighting, about)):
                yield Evidence(
                    claim=claim_id, observation=observation, what=sighting.what + way, where=_place(sighting)
                )

    def _way(self, observation: Observation) -> str:
        """Say in words which gateway a packet was sent to, or claims to be, and which peering that is for."""
        if not observation.frames or not self.seen.gateways:
            return ""
        _, frame = observation.frames[-1]
        source, target = (self.seen.gateways.get(frame[at : at + 6].hex(":"), "") for at in (6, 0))
        words = f", sent to router {target}" if target else ""
        words += f", with the MAC of router {source}" if source else ""
        ends = sorted(self.seen.networks.get(port, "") for port in (observation.src, observation.dst))
        peering = self.seen.peerings.get((ends[0], ends[1]), "") if target else ""
        return words + (f" for peering {peering}" if peering else "")

    def _by(self, observation: Observation, sighting: Sighting, about: Sequence[Claim]) -> Iterator[str]:
        """Yield the claims that one sighting contradicts."""
        own = self.seen.networks.get(observation.src, "")
        at_port = sighting.point.kind is PointKind.PORT
        at_home = at_port and sighting.point.name == observation.dst
        if at_home and observation.expected is not Expected.NOTHING:  # it may be there, but not so
            yield from self._find(Kind.CLEAN, observation.dst)
            return
        targeted: list[Claim] = []
        if observation.expected is Expected.NOTHING:
            targeted = [claim for claim in about if claim.kind in _TARGETED]
            yield from (claim.id for claim in targeted)
            if at_port and any(claim.kind is Kind.CLEAN for claim in targeted):
                yield from self._find(Kind.CLEAN, sighting.point.name)
        if sighting.point.kind in _APPARATUS:
            yield from self._find(Kind.MANAGEMENT, observation.src)
            return
        apart = tuple(self._find(Kind.ISOLATED, *sorted((own, sighting.network))))
        if apart:
            yield from apart
        elif at_home:
            yield from (claim.id for claim in about if claim.kind is Kind.EXACT)
        elif at_port:
            yield from self._find(Kind.NO_SNIFFING, sighting.point.name)
        elif not sighting.network or (not targeted and self._strayed(observation, sighting)):
            yield from self._find(Kind.CLEAN, observation.src)

    def _strayed(self, observation: Observation, sighting: Sighting) -> bool:
        """Say whether a packet travels under another VNI than it should, be it that of a joined network."""
        own = self.seen.networks.get(observation.src, "")
        return sighting.network != own or observation.expected is Expected.DELIVERED

    def _find(self, kind: Kind, *objects: str) -> Iterator[str]:
        found = self.named.get((kind, objects))
        if found is not None:
            yield found


def _missing(observation: Observation, about: Sequence[Claim]) -> Iterator[Evidence]:
    """Yield what a legitimate packet contradicts that did not arrive."""
    if observation.expected is Expected.DELIVERED and observation.delivered is False:
        for claim in about:
            if claim.kind is Kind.EXACT:
                yield Evidence(
                    claim=claim.id,
                    observation=observation,
                    what=_UNANSWERED if observation.dst == observation.src else _UNDELIVERED,
                    where=observation.dst,
                    arrives=False,
                )


def _wishes(observation: Observation, about: Sequence[Claim]) -> Iterator[Evidence]:
    """Yield the intents that an opening packet contradicts, whether or not the groups agree with them.

    A packet that may be taken for an answer says nothing.
    """
    if observation.expected is Expected.EITHER or observation.delivered is None:
        return
    arrived = {s.point.name for s in observation.sightings if s.point.kind is PointKind.PORT}
    if observation.delivered:
        arrived.add(observation.dst)
    for claim in about:
        if claim.kind not in (Kind.REACHABLE, Kind.UNREACHABLE):
            continue
        arrives = claim.objects[1] in arrived
        if arrives is (claim.kind is Kind.UNREACHABLE):
            what = "should not reach it arrives" if arrives else "should reach it does not arrive"
            yield Evidence(
                claim=claim.id,
                observation=observation,
                what=f"a packet that {what}",
                where=claim.objects[1],
                arrives=arrives,
            )


def _place(sighting: Sighting) -> str:
    return sighting.point.name if sighting.point.kind is PointKind.PORT else str(sighting.point)
