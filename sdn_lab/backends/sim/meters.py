"""The meters of one switch: what a meter-mod does to them, and which entries use one.

Deleting a meter deletes the entries that name it; modifying one starts its buckets and counters anew, as
Open vSwitch does.

Reference: OpenFlow 1.3.5 sections 5.7 and 6.4 ("meter modification messages").
"""

from __future__ import annotations

from collections.abc import Mapping

from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.meter import Policer
from sdn_lab.openflow.wire import error, meter
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import MeterMod


def change(meters: dict[int, Policer], mod: MeterMod, now_ns: int) -> list[int]:
    """Do a meter-mod.  Return the numbers of the meters that are gone.  Raises WireError."""
    number = mod.meter.meter_id
    if mod.command == meter.DELETE:
        gone = list(meters) if number == meter.ALL else [n for n in (number,) if n in meters]
        for one in gone:
            del meters[one]
        return gone
    if mod.command == meter.ADD and number in meters:
        raise WireError(error.METER_EXISTS, f"there is a meter {number} already")
    if mod.command == meter.MODIFY and number not in meters:
        raise WireError(error.METER_UNKNOWN, f"there is no meter {number}")
    meters[number] = Policer(mod.meter, now_ns)
    return []


def check(entry: FlowEntry, meters: Mapping[int, Policer]) -> None:
    """Raise WireError for an entry that names a meter which is not there."""
    number = entry.instructions.meter
    if number is not None and number not in meters:
        raise WireError(error.METER_INVALID, f"there is no meter {number}")


def named(meters: Mapping[int, Policer], number: int) -> list[Policer]:
    """Return the meters that a controller asks for.  Raises WireError."""
    if number == meter.ALL:
        return [meters[n] for n in sorted(meters)]
    if number not in meters:
        raise WireError(error.METER_UNKNOWN, f"there is no meter {number}")
    return [meters[number]]
