"""Installs tables that somebody else wrote, as they are: the app behind ``sdn-lab run --flows DIR``.

The tables may be broken on purpose, or come from a network that is to be judged.  So nothing is compiled
and nothing is ever put right: each datapath is sent its tables once.  If it comes back later it keeps
what it then holds, and whatever else writes to it is left alone, until the lab asks for the tables again
(``sdn-lab check --revert``).
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


class Replay(App):
    """Sends once, and asks once whether it arrived; puts right only when it is told to."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pusher = Pusher(site)
        self.served = set()
        self.datapaths = {}

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def joined_or_left(self, ev):
        """A datapath finished its handshake, or its connection ended."""
        if ev.state == MAIN_DISPATCHER:
            self.datapaths[ev.datapath.id] = ev.datapath
            if ev.datapath.id not in self.served:
                self.served.add(ev.datapath.id)
                self.pusher.push(ev.datapath, repair=False)
        elif self.datapaths.get(ev.datapath.id) is ev.datapath:
            del self.datapaths[ev.datapath.id]
            self.pusher.forget(ev.datapath)

    @set_ev_cls(ProgramChanged)
    def program_wanted(self, _):
        """The lab wants its tables back, or others."""
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
