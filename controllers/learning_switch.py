"""Where most people start: one big learning switch for everybody.  Kept to show what it leaks.

It remembers behind which port it saw each MAC address, sends frames there, and floods those whose
destination it has not seen.  Hypervisors are joined by one VXLAN segment, flooded to every peer.

What is wrong with it, if tenants must not meet:

*   There is one table of addresses.  Two tenants with the same MAC address take turns in owning it.
*   A flooded frame goes to *everyone*.  ARP requests are flooded by nature, so every tenant sees who talks
    to whom, and can answer.
*   Nobody checks that an address belongs to the port that uses it.
*   All of it travels under one VNI, so the far hypervisor cannot tell tenants apart either.

Try:  sdn-lab run overlap --controller learning_switch
"""

from sdn_lab.control.ryu import (
    CONFIG_DISPATCHER,
    MAIN_DISPATCHER,
    App,
    ethernet,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from sdn_lab.control.site import site

SHARED_VNI = 1
IDLE_S = 60  # forget a flow after a minute of silence


class LearningSwitch(App):
    """Reactive: the first frame of every conversation comes here, the rest follow what we install."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = {}  # (datapath id, MAC) -> (port, VTEP behind it or None)

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def joined(self, ev):
        """What matches nothing else, send to the controller, whole."""
        datapath = ev.msg.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        to_us = [parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)]
        self.install(datapath, 0, parser.OFPMatch(), to_us, idle_timeout=0)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        """Learn where the sender is; send the frame where its destination is, or everywhere."""
        message, datapath = ev.msg, ev.msg.datapath
        parser, place = datapath.ofproto_parser, site.place(datapath.id)
        frame, _, _ = ethernet.ethernet.parser(message.data)
        in_port = message.match["in_port"]

        vtep = message.match.get("tun_ipv4_src")  # who sent it, if it came through the tunnel
        if vtep or in_port != place.tunnel_of_port:
            self.seen[datapath.id, frame.src] = in_port, vtep

        known = self.seen.get((datapath.id, frame.dst))
        if known is None:
            actions = self.flood(datapath, place, in_port)
        else:
            actions = self.towards(datapath, place, in_port, *known)
            match = parser.OFPMatch(in_port=in_port, eth_src=frame.src, eth_dst=frame.dst)
            self.install(datapath, 10, match, actions, idle_timeout=IDLE_S)

        datapath.send_msg(
            parser.OFPPacketOut(
                datapath,
                buffer_id=datapath.ofproto.OFP_NO_BUFFER,
                in_port=in_port,
                actions=actions,
                data=message.data,
            )
        )

    def flood(self, datapath, place, in_port):
        """To every port, and once to each peer.  What came from a tunnel stays here, or it would circle."""
        actions = [datapath.ofproto_parser.OFPActionOutput(datapath.ofproto.OFPP_FLOOD)]
        if in_port != place.tunnel_of_port:
            for vtep in place.peers:
                actions += self.through_tunnel(datapath, place, vtep)
        return actions

    def towards(self, datapath, place, in_port, port, vtep):
        """To one port, through the tunnel if it is behind that."""
        if port == in_port:
            return []  # it is where it came from
        if port == place.tunnel_of_port:
            return self.through_tunnel(datapath, place, vtep)
        return [datapath.ofproto_parser.OFPActionOutput(port)]

    def through_tunnel(self, datapath, place, vtep):
        """One VNI for everybody: this is where the tenants become one."""
        parser = datapath.ofproto_parser
        return [
            parser.OFPActionSetField(tunnel_id=SHARED_VNI),
            parser.OFPActionSetField(tun_ipv4_dst=vtep),
            parser.OFPActionOutput(place.tunnel_of_port),
        ]

    def install(self, datapath, priority, match, actions, idle_timeout):
        """Add one flow entry."""
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        apply = parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)
        datapath.send_msg(
            parser.OFPFlowMod(
                datapath, priority=priority, match=match, instructions=[apply], idle_timeout=idle_timeout
            )
        )
