"""Which handler carries out which action.  To add an action: its value in `action`, its handler, its row.

A handler is called with the run, the packet, the action and its place.  It changes the packet, or calls back;
it raises `StopTable` where the rest of the entry is not executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdn_lab.openflow import (
    interpret_ct,
    interpret_forward,
    interpret_labels,
    interpret_modify,
    interpret_ovs,
)

Handler = Callable[..., None]  # (run, packet, action of its kind, place)

HANDLERS: Mapping[type[Any], Handler] = {
    **interpret_modify.HANDLERS,
    **interpret_forward.HANDLERS,
    **interpret_ct.HANDLERS,
    **interpret_labels.HANDLERS,
    **interpret_ovs.HANDLERS,
}
