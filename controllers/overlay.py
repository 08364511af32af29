"""The lab's own controller: every datapath holds what the compiler wrote, and nothing else.

Proactive: all entries are there before the first packet, and no packet ever reaches this app.  That is
also what makes its network provable: what a datapath does is what its tables say, and the tables are
the same on every run.

Each datapath is told the least that makes it hold what it should, in an order in which no half-way
state lets anything through, and is then asked what it holds.  `sdn_lab.control.push` does all this, and
is worth reading next.
"""

from sdn_lab.control.console import ProgramChanged
from sdn_lab.control.push import Pusher
from sdn_lab.control.ryu import (
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    App,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from sdn_lab.control.site import site


class Overlay(App):
    """Pushes to every datapath that joins, and to all of them when the program changes."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pusher = Pusher(site)
        self.datapaths = {}

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def joined_or_left(self, ev):
        """A datapath finished its handshake, or its connection ended."""
        if ev.state == MAIN_DISPATCHER:
            self.datapaths[ev.datapath.id] = ev.datapath
            self.pusher.push(ev.datapath)
        elif self.datapaths.get(ev.datapath.id) is ev.datapath:
            del self.datapaths[ev.datapath.id]
            self.pusher.forget(ev.datapath)

    @set_ev_cls(ProgramChanged)
    def program_changed(self, _):
        """The lab wants something else from now on."""
        for datapath in self.datapaths.values():
            self.pusher.push(datapath)

    @set_ev_cls(
        [
            ofp_event.EventOFPFlowStatsReply,
            ofp_event.EventOFPGroupDescStatsReply,
            ofp_event.EventOFPBarrierReply,
            ofp_event.EventOFPErrorMsg,
        ],
        MAIN_DISPATCHER,
    )
    def answered(self, ev):
        """A datapath answered: the pusher knows to what."""
        self.pusher.answer(ev.msg)
