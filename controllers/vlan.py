"""The next thing people try: a VLAN for each network.  Kept to show what it leaks.

Each network gets a VLAN number.  A frame from a port is given the number of the port's network, addresses
are learned per VLAN, and floods stay within one.  Between hypervisors the tagged frames travel over one
VXLAN segment.  Tenants with equal addresses no longer get in each other's way, and casual traffic stays
apart, so it looks as if it worked.

What is wrong with it, if tenants must not meet:

*   A frame that *arrives* tagged is taken at its word, as on a trunk: whoever writes another network's
    number into a frame is in that network.  This is VLAN hopping.
*   Whatever a VLAN floods, all its ports see: unicast to an address that was never seen, too.
*   Nobody checks that an address belongs to the port that uses it, and nobody looks at security groups.
*   The tag is all that separates tenants on the shared segment, and 4,094 of them are all there are.

Try:  sdn-lab run overlap --controller vlan
"""

from sdn_lab.control.ryu import (
    CONFIG_DISPATCHER,
    MAIN_DISPATCHER,
    App,
    ethernet,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
    vlan,
)
from sdn_lab.control.site import site

SHARED_VNI = 1
FIRST_VLAN = 10
TAGGED = 0x8100
PRESENT = 0x1000  # bit of vlan_vid that says "there is a tag"
IDLE_S = 60


class Vlan(App):
    """Reactive, like the learning switch, with one address table for each VLAN."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = {}  # (datapath id, VLAN, MAC) -> (port, VTEP behind it or None)
        self.vlan_of = {path: FIRST_VLAN + n for n, path in enumerate(site.networks)}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def joined(self, ev):
        """What matches nothing else, send to the controller, whole."""
        datapath = ev.msg.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        to_us = [parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)]
        self.install(datapath, 0, parser.OFPMatch(), to_us, idle_timeout=0)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        """Find the frame's VLAN, learn its sender in it, send it on within it."""
        message, datapath = ev.msg, ev.msg.datapath
        parser, place = datapath.ofproto_parser, site.place(datapath.id)
        frame, _, rest = ethernet.ethernet.parser(message.data)
        in_port = message.match["in_port"]
        access = {port.of_port: self.vlan_of[port.network] for port in place.ports}

        tagged = frame.ethertype == TAGGED and len(rest) >= 4
        vid = vlan.vlan.parser(rest)[0].vid if tagged else access.get(in_port)  # a tag is taken at its word
        if vid is None:
            return  # untagged, from the tunnel: not ours

        vtep = message.match.get("tun_ipv4_src")  # who sent it, if it came through the tunnel
        if vtep or in_port != place.tunnel_of_port:
            self.seen[datapath.id, vid, frame.src] = in_port, vtep

        known = self.seen.get((datapath.id, vid, frame.dst))
        if known is not None:
            targets = [known]
        else:
            targets = [(port, None) for port, own in access.items() if own == vid]
            targets += [(place.tunnel_of_port, vtep) for vtep in place.peers]
        targets = [target for target in targets if target[0] != in_port]  # nor from tunnel to tunnel
        actions = self.deliver(datapath, place, vid, tagged, targets)

        if known is not None:
            match = parser.OFPMatch(
                in_port=in_port,
                vlan_vid=vid | PRESENT if tagged else 0,
                eth_src=frame.src,
                eth_dst=frame.dst,
            )
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

    def deliver(self, datapath, place, vid, tagged, targets):
        """Untagged to the ports first, then tagged into the tunnel: one frame, changed as it goes."""
        parser, actions = datapath.ofproto_parser, []
        ports = [port for port, vtep in targets if port != place.tunnel_of_port]
        vteps = [vtep for port, vtep in targets if port == place.tunnel_of_port]
        if ports and tagged:
            actions.append(parser.OFPActionPopVlan())
            tagged = False
        actions += [parser.OFPActionOutput(port) for port in ports]
        if vteps and not tagged:
            actions += [parser.OFPActionPushVlan(TAGGED), parser.OFPActionSetField(vlan_vid=vid | PRESENT)]
        for vtep in vteps:
            actions += [
                parser.OFPActionSetField(tunnel_id=SHARED_VNI),
                parser.OFPActionSetField(tun_ipv4_dst=vtep),
                parser.OFPActionOutput(place.tunnel_of_port),
            ]
        return actions

    def install(self, datapath, priority, match, actions, idle_timeout):
        """Add one flow entry."""
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        apply = parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)
        datapath.send_msg(
            parser.OFPFlowMod(
                datapath, priority=priority, match=match, instructions=[apply], idle_timeout=idle_timeout
            )
        )
