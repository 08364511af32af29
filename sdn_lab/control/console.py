"""The lab's own app beside the user's: says who joined and left, what switches complain of, and dumps.

It runs in the controller's process whatever app was asked for, so that the lab can talk about a
learning switch, which reports nothing, as about `overlay`, which confirms everything.
"""

from __future__ import annotations

from typing import Any

from sdn_lab.control.dump import Dump
from sdn_lab.control.lines import pack_tables
from sdn_lab.control.push import error_names
from sdn_lab.control.ryu import (
    CONFIG_DISPATCHER,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    App,
    event,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from sdn_lab.control.site import site
from sdn_lab.openflow.codec import CodecError


class ProgramChanged(event.EventBase):  # type: ignore[misc]
    """What the datapaths should hold has changed: `Site.wanted` says the new."""


class DumpWanted(event.EventBase):  # type: ignore[misc]
    """The lab asks for a dump of a datapath."""

    def __init__(self, dpid: int) -> None:
        super().__init__()
        self.dpid = dpid


class Console(App):  # type: ignore[misc]
    """One per process; loaded before the user's app, so that it hears of a datapath first."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]  # noqa: RUF012 (the framework's own way of saying it)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.datapaths: dict[int, Any] = {}
        self._dumps: dict[int, Dump] = {}

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def state(self, ev: Any) -> None:
        datapath = ev.datapath
        if ev.state == MAIN_DISPATCHER:
            self.datapaths[datapath.id] = datapath
            site.tell(event="joined", dpid=f"{datapath.id:016x}")
        elif datapath in self.datapaths.values():
            del self.datapaths[datapath.id]
            self._dumps.pop(datapath.id, None)
            site.tell(event="left", dpid=f"{datapath.id:016x}")

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])  # type: ignore[untyped-decorator]
    def error(self, ev: Any) -> None:
        names = error_names(ev.msg)
        site.tell(event="complained", dpid=f"{ev.msg.datapath.id or 0:016x}", text=names)

    @set_ev_cls(DumpWanted)  # type: ignore[untyped-decorator]
    def dump(self, ev: DumpWanted) -> None:
        datapath = self.datapaths.get(ev.dpid)
        if datapath is None:
            site.tell(event="dumped", dpid=f"{ev.dpid:016x}", tables=None, text="it is not connected")
        else:
            self._dumps[ev.dpid] = Dump(datapath)

    @set_ev_cls([ofp_event.EventOFPFlowStatsReply, ofp_event.EventOFPGroupDescStatsReply], MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def reply(self, ev: Any) -> None:
        dpid = ev.msg.datapath.id
        dump = self._dumps.get(dpid)
        if dump is None:
            return
        try:
            complete = dump.take(ev.msg)
        except CodecError as error:
            del self._dumps[dpid]
            site.tell(event="dumped", dpid=f"{dpid:016x}", tables=None, text=str(error))
            return
        if complete:
            del self._dumps[dpid]
            site.tell(event="dumped", dpid=f"{dpid:016x}", tables=pack_tables(dump.tables), text="")
