"""Where in the tables an action stands, and how it ends what it stands in."""

from __future__ import annotations

from typing import NamedTuple

from sdn_lab.openflow.action import Action
from sdn_lab.openflow.entry import FlowEntry


class StopTable(Exception):  # noqa: N818 - control flow
    """The rest of this entry is not executed (TTL at its end)."""


class StopPacket(Exception):  # noqa: N818 - control flow
    """Nothing more is done with this packet (a meter dropped it)."""


class StopEntries(Exception):  # noqa: N818 - control flow
    """Nothing goes on, callers and action set included (``exit``); behind a group it does."""


class Void(Exception):  # noqa: N818 - control flow
    """The whole run is void, and nothing is sent: the argument says why."""


class VoidBucket(Void):
    """As `Void`, but where a group's bucket is run it is that bucket alone."""


class Place(NamedTuple):
    """The entry that an action belongs to; *action_set* is the packet's at that moment.

    *entry* is None in a packet-out; in an action set it is the first one that the packet met, whoever
    wrote the action.  *in_set*: in an action set or a bucket.
    """

    action_set: list[Action]
    table_id: int = 0
    entry: FlowEntry | None = None
    in_set: bool = False
