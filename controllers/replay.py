"""Installs tables that somebody else wrote, as they are: the app behind ``sdn-lab run --flows DIR``.

The tables may be broken on purpose, or come from a network that is to be judged.  So nothing is compiled
and nothing is ever put right: each datapath is sent its tables once.  If it comes back later it keeps
what it then holds, and whatever else writes to it is left alone.
"""

from sdn_lab.control.push import Pusher
from sdn_lab.control.ryu import MAIN_DISPATCHER, App, ofp_event, ofproto_v1_3, set_ev_cls
from sdn_lab.control.site import site


class Replay(App):
    """Sends once, and asks once whether it arrived."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pusher = Pusher(site, repair=False)
        self.served = set()

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def joined(self, ev):
        """A datapath finished its handshake."""
        if ev.datapath.id not in self.served:
            self.served.add(ev.datapath.id)
            self.pusher.push(ev.datapath)

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
