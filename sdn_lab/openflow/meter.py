"""Meters: what one is, and one at work.

What
----
`Meter` and `Band` are values, as a controller sends them.  `Policer` is a meter with its buckets: one for
each band, filled at the band's rate, emptied by what passes.  A packet that finds a bucket too empty exceeds
that band; of the bands that it exceeds, the one of the highest rate decides (OpenFlow 1.3.5, section 5.7).

Where OpenFlow leaves the choice, as Open vSwitch 3.1.0: buckets start full, and hold one second's worth
where no burst size is given, and what fills them after a long silence is no more than the slowest band's
whole milliseconds (so a bucket of 2 at 3 a second is not quite full again).  In contrast to it, the band
``dscp_remark`` is there.

Time is an argument, in nanoseconds of whatever clock the switch has.

Reference: OpenFlow 1.3.5 sections 5.7 and 7.3.4.4; RFC 2597 (drop precedence).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

FULL_TOKEN = 1_000_000_000  # a packet, or a kilobit, in the unit of buckets: rate times nanoseconds
_MS = 1_000_000
_PER_BIT = FULL_TOKEN // 1000
_AF_CLASSES, _MOST_PRECEDENCE = range(1, 5), 3


class BandType(IntEnum):
    """What happens to a packet that exceeds a band."""

    DROP = 1
    DSCP_REMARK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A rate in kilobits or packets a second; *prec_level* is how much drop precedence a remark adds."""

    type: BandType
    rate: int
    burst_size: int = 0
    prec_level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One meter; *packets*: its rates are in packets a second, else in kilobits."""

    meter_id: int
    packets: bool = False
    stats: bool = False
    burst: bool = False
    bands: tuple[Band, ...] = ()


@dataclass(slots=True)
class BandCount:
    """What exceeded a band."""

    packets: int = 0
    octets: int = 0


class Policer:
    """A meter at work."""

    def __init__(self, meter: Meter, now_ns: int) -> None:
        self.meter, self.since_ns = meter, now_ns
        self.packets = self.octets = 0
        self.counted = [BandCount() for _ in meter.bands]
        self._most = [FULL_TOKEN * self._burst(band) for band in meter.bands]
        self._held = list(self._most)
        self._longest_ns = max((self._fills_ms(band) * _MS for band in meter.bands), default=0)
        self._filled_ns = now_ns

    def _burst(self, band: Band) -> int:
        return band.burst_size if self.meter.burst and band.burst_size else band.rate

    def _fills_ms(self, band: Band) -> int:
        """Return in how many milliseconds Open vSwitch says that a band's bucket is full: rounded down."""
        return self._burst(band) * 1000 // band.rate

    def police(self, octets: int, now_ns: int) -> Band | None:
        """Account for a packet; return the band whose turn it is, or None where it conforms."""
        self.packets += 1
        self.octets += octets
        passed_ns = min(max(0, now_ns - self._filled_ns), self._longest_ns)
        self._filled_ns = max(now_ns, self._filled_ns)
        cost = FULL_TOKEN if self.meter.packets else octets * 8 * _PER_BIT
        exceeded: int | None = None
        for n, band in enumerate(self.meter.bands):
            self._held[n] = min(self._most[n], self._held[n] + passed_ns * band.rate)
            if self._held[n] >= cost:
                self._held[n] -= cost
            elif exceeded is None or band.rate > self.meter.bands[exceeded].rate:
                exceeded = n
        if exceeded is None:
            return None
        self.counted[exceeded].packets += 1
        self.counted[exceeded].octets += octets
        return self.meter.bands[exceeded]


def remarked(dscp: int, levels: int) -> int:
    """Return *dscp* with its drop precedence raised; one that is no assured-forwarding class stays.

    >>> remarked(18, 1), remarked(22, 1), remarked(46, 1)
    (20, 22, 46)
    """
    af_class, precedence = dscp >> 3, dscp >> 1 & 3
    if af_class not in _AF_CLASSES or not precedence or dscp & 1:
        return dscp
    return af_class << 3 | min(precedence + levels, _MOST_PRECEDENCE) << 1
