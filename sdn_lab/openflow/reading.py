"""Whose word decides where OpenFlow 1.3.5 and Open vSwitch 3.1.0 do different things with one table.

Everywhere else there is one behaviour.  Where the two contradict each other (docs/openflow-conformance.md
lists every such place), a laboratory's switches do as Open vSwitch does, because what is shown of them is
claimed of it; a switch that is read to the letter does as the specification says.
"""

from __future__ import annotations

from enum import Enum


class Reading(Enum):
    """Who decides."""

    OPEN_VSWITCH = "Open vSwitch 3.1.0"
    LETTER = "OpenFlow 1.3.5"
