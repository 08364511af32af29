"""Meters on the wire: the meter-mod, and what is answered to questions about meters.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.3.4.4 and 7.3.5.12 to 7.3.5.14.
"""

from __future__ import annotations

from struct import Struct

from sdn_lab.openflow.meter import Band, BandType, Meter, Policer
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import MeterMod

KBPS, PKTPS, BURST, STATS = 1, 2, 4, 8
ADD, MODIFY, DELETE = range(3)
MAX_METER, SLOW_PATH, CONTROLLER, ALL = 0xFFFF0000, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF
_MOD = Struct("!HHI")
_BAND = Struct("!HHII")
_STATS = Struct("!IH6xIQQII")
_CONFIG = Struct("!HHI")
_FEATURES = Struct("!IIIBB2x")
_EXPERIMENTER = 0xFFFF
MOST_BANDS = 8


def read_mod(data: bytes) -> MeterMod:
    """Decode a whole meter-mod.  Raises WireError."""
    if len(data) < 16:
        raise WireError(error.REQUEST_BAD_LEN, f"a meter-mod of {len(data)} bytes")
    command, flags, meter_id = _MOD.unpack_from(data, 8)
    if command > DELETE:
        raise WireError(error.METER_BAD_COMMAND, f"meter-mod command {command}")
    bands = () if command == DELETE else _read_bands(data)
    if command != DELETE:
        if flags & ~(KBPS | PKTPS | BURST | STATS) or (flags & KBPS and flags & PKTPS):
            raise WireError(error.METER_BAD_FLAGS, f"meter flags {flags:#x}")
        if not 0 < meter_id <= MAX_METER:
            raise WireError(error.METER_INVALID, f"{meter_id:#x} is no number for a meter")
    meter = Meter(
        meter_id=meter_id,
        packets=bool(flags & PKTPS),
        stats=bool(flags & STATS),
        burst=bool(flags & BURST),
        bands=bands,
    )
    return MeterMod(command=command, meter=meter)


def _read_bands(data: bytes) -> tuple[Band, ...]:
    bands, at = [], 16
    while at < len(data):
        if len(data) - at < 16:
            raise WireError(error.REQUEST_BAD_LEN, "a meter band does not fit")
        kind, length, rate, burst = _BAND.unpack_from(data, at)
        if length != 16:
            raise WireError(error.REQUEST_BAD_LEN, f"a meter band says {length} bytes")
        if kind not in (BandType.DROP, BandType.DSCP_REMARK):
            raise WireError(error.METER_BAD_BAND, f"band type {kind} is not known here")
        if not rate:
            raise WireError(error.METER_BAD_RATE, "a band of rate 0")
        remarks = kind == BandType.DSCP_REMARK
        level = data[at + 12] if remarks else 0
        if remarks and not level:
            raise WireError(error.METER_BAD_BAND_VALUE, "a remark by no level")
        bands.append(Band(type=BandType(kind), rate=rate, burst_size=burst, prec_level=level))
        at += length
    if len(bands) > MOST_BANDS:
        raise WireError(error.METER_OUT_OF_BANDS, f"{len(bands)} bands, of {MOST_BANDS} at most")
    return tuple(bands)


def config(meter: Meter) -> bytes:
    """Return one meter as it was asked for."""
    flags = (PKTPS if meter.packets else KBPS) | BURST * meter.burst | STATS * meter.stats
    bands = b"".join(
        _BAND.pack(b.type, 16, b.rate, b.burst_size) + bytes((b.prec_level, 0, 0, 0)) for b in meter.bands
    )
    return _CONFIG.pack(_CONFIG.size + len(bands), flags, meter.meter_id) + bands


def counted(policer: Policer, *, references: int, now_ns: int) -> bytes:
    """Return what one meter counted."""
    bands = b"".join(b.packets.to_bytes(8) + b.octets.to_bytes(8) for b in policer.counted)
    head = _STATS.pack(
        policer.meter.meter_id,
        _STATS.size + len(bands),
        references,
        policer.packets,
        policer.octets,
        *divmod(now_ns - policer.since_ns, 1_000_000_000),
    )
    return head + bands


def features() -> bytes:
    """Return what meters can do: both types of band, all flags."""
    kinds = 1 << BandType.DROP | 1 << BandType.DSCP_REMARK
    return _FEATURES.pack(MAX_METER, kinds, KBPS | PKTPS | BURST | STATS, MOST_BANDS, 0)
