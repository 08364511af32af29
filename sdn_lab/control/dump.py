"""Ask a datapath what it holds: its entries and groups, by two multipart requests.

A dump is a value that is being collected.  Give it every reply that arrives (`Dump.take`); it knows its own
by their transaction ids, and after the last part `Dump.tables` is what the datapath said.

From the first dump on, the framework leaves every entry of a flow statistics reply unread until somebody
looks into it (`codec_quick_read`): it takes 0.4 ms for one, and nobody does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sdn_lab.openflow import codec, codec_quick_read
from sdn_lab.openflow.entry import FlowEntry, Group, Tables

_ALL_BITS = (1 << 64) - 1

Slice = tuple[int, int]
"""The entries of one table with one cookie."""


class Dump:
    """One dump of one datapath, asked for when it is made: of all, or of some *slices*, without groups."""

    def __init__(self, datapath: Any, slices: Collection[Slice] | None = None) -> None:
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        self._datapath = datapath
        self._late = codec_quick_read.late_stats(parser)
        parser.OFPFlowStatsReply.cls_stats_body_cls = self._late
        self._entries: list[FlowEntry] = []
        self._groups: list[Group] = []
        self._waiting: set[int] = set()
        requests = [
            parser.OFPFlowStatsRequest(
                datapath, 0, table_id, ofproto.OFPP_ANY, ofproto.OFPG_ANY, cookie, _ALL_BITS
            )
            for table_id, cookie in sorted(slices or ())
        ]
        if slices is None:
            requests = [parser.OFPFlowStatsRequest(datapath), parser.OFPGroupDescStatsRequest(datapath)]
        for request in requests:
            self._waiting.add(datapath.set_xid(request))
            datapath.send_msg(request)

    def take(self, message: Any) -> bool:
        """Take a reply in; say whether the dump is now complete.  Raises CodecError.

        A message that is no part of this dump changes nothing.
        """
        if message.xid not in self._waiting:
            return False
        for stats in message.body:
            if isinstance(stats, self._late):
                self._entries.append(codec_quick_read.flow_entry(self._datapath, stats))
            else:
                self._groups.append(codec.group(self._datapath, stats))
        if not message.flags & self._datapath.ofproto.OFPMPF_REPLY_MORE:
            self._waiting.remove(message.xid)
        return not self._waiting

    @property
    def tables(self) -> Tables:
        """What the datapath said, in reading order.  Only after `take` said so."""
        assert not self._waiting
        return Tables(
            entries=tuple(sorted(self._entries, key=lambda e: (e.table_id, -e.priority, e.match.tests))),
            groups=tuple(sorted(self._groups, key=lambda g: g.group_id)),
        )
