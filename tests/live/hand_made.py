"""A small lab with hand-made tables: two tenants with equal addresses on two hypervisors.

``red/vm1`` and ``red/vm2`` are on hv1, ``red/vm3`` on hv2; blue is the same.  The tables carry the
prototype's ideas without its port security: VNI in metadata, one owner for every ARP and ND request, an
ingress group that admits ICMP and TCP port 5001.
"""

import struct
from ipaddress import ip_address, ip_network

from sdn_lab.backends.mininet.backend import MininetBackend
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Network, Port, Scenario, Underlay
from sdn_lab.model.observation import NONCE_MAGIC, Injection, PointKind, WatchPoint, Window

PLACES = {"vm1": "hv1", "vm2": "hv1", "vm3": "hv2"}
TENANTS = ("blue", "red")


def scenario(encap="vxlan", mtu=1500):
    return Scenario(
        name="hand-made",
        tenants=TENANTS,
        underlay=Underlay(encap=encap, mtu=mtu, sites={"east": ("hv1", "hv2")}),
        networks=tuple(
            Network(
                path=f"{tenant}/app",
                tenant=tenant,
                cidrs=(ip_network("10.0.0.0/24"), ip_network("fd00:a::/64")),
                vni=101 + n,
            )
            for n, tenant in enumerate(TENANTS)
        ),
        ports=tuple(
            Port(
                path=f"{tenant}/{name}",
                tenant=tenant,
                instance=name,
                network=f"{tenant}/app",
                hypervisor=place,
                mac=mac(name),
                ips=(ip_address(ipv4(name)), ip_address(ipv6(name))),
            )
            for tenant in TENANTS
            for name, place in PLACES.items()
        ),
    )


def mac(name):
    return f"02:00:00:00:00:1{name[2:]}"


def ipv4(name):
    return f"10.0.0.1{name[2:]}"


def ipv6(name):
    return f"fd00:a::1{name[2:]}"


def tables(scenario, assignment, hypervisor):
    """Return the integration bridge's entries of one hypervisor."""
    lines = [
        "table=0,priority=200,ip,ip_frag=yes,actions=drop",
        "table=0,priority=200,ipv6,ip_frag=yes,actions=drop",
        "table=60,priority=200,arp,actions=output:NXM_NX_REG5[]",
        "table=60,priority=200,icmp6,icmp_type=135,actions=output:NXM_NX_REG5[]",
        "table=60,priority=200,icmp6,icmp_type=136,actions=output:NXM_NX_REG5[]",
        "table=60,priority=100,ip,actions=ct(table=61,zone=NXM_NX_REG5[0..15])",
        "table=60,priority=100,ipv6,actions=ct(table=61,zone=NXM_NX_REG5[0..15])",
        "table=61,priority=200,ct_state=+trk+est,actions=output:NXM_NX_REG5[]",
    ]
    commit = "actions=ct(commit,zone=NXM_NX_REG5[0..15]),output:NXM_NX_REG5[]"
    lines += [
        f"table=61,priority=100,ct_state=+trk+new,{what},{commit}"
        for what in ("icmp", "icmp6", "tcp,tp_dst=5001", "tcp6,tp_dst=5001")
    ]
    for network in scenario.networks:
        vni = network.vni
        lines.append(
            f"table=0,priority=100,in_port=1,tun_id={vni},vlan_tci=0,"
            f"actions=set_field:{vni}->metadata,goto_table:50"
        )
        for port in (p for p in scenario.ports if p.network == network.path):
            datapath, attachment = assignment.locate(port.path)
            name, number = port.instance, attachment.of_port
            to = f"metadata={vni},dl_dst={mac(name)}"
            if datapath.hypervisor == hypervisor:
                classify = f"set_field:{vni}->metadata,goto_table:40"
                lines += [
                    f"table=0,priority=100,in_port={number},vlan_tci=0,actions={classify}",
                    f"table=50,priority=100,{to},actions=set_field:{number}->reg5,goto_table:60",
                ]
            else:
                lines.append(
                    f"table=50,priority=100,{to},"
                    f"actions=set_field:{vni}->tun_id,set_field:{datapath.vtep}->tun_dst,output:1"
                )
            owner = f"actions=set_field:{mac(name)}->eth_dst,goto_table:50"
            lines += [
                f"table=40,priority=100,metadata={vni},arp,arp_op=1,arp_tpa={ipv4(name)},{owner}",
                f"table=40,priority=100,metadata={vni},icmp6,icmp_type=135,nd_target={ipv6(name)},{owner}",
            ]
    for attachment in assignment.datapaths[hypervisor].attachments:
        zone = attachment.of_port
        lines += [
            f"table=41,priority=100,in_port={zone},{family},actions=ct(commit,zone={zone}),goto_table:50"
            for family in ("ip", "ipv6")
        ]
    lines += [
        "table=40,priority=20,icmp6,icmp_type=136,actions=goto_table:50",
        "table=40,priority=10,ip,actions=goto_table:41",
        "table=40,priority=10,ipv6,actions=goto_table:41",
        "table=40,priority=10,arp,actions=goto_table:50",
    ]
    return "\n".join(lines) + "\n"


def start(scenario):
    """Start a lab without entries; the caller closes it."""
    return MininetBackend().start(scenario, assign(scenario), seed=0, progress=lambda what, done, total: None)


def load(lab, scenario):
    assignment = assign(scenario)
    for hypervisor in assignment.datapaths:
        lab.load(hypervisor, tables(scenario, assignment, hypervisor))


def point(kind, name):
    return WatchPoint(kind=PointKind(kind), name=name)


def nonce(number):
    return NONCE_MAGIC + struct.pack(">Q", number)[-(16 - len(NONCE_MAGIC)) :]


def nonces(frame):
    found, at = [], frame.find(NONCE_MAGIC)
    while at >= 0:
        found.append(frame[at : at + 16])
        at = frame.find(NONCE_MAGIC, at + 1)
    return found


def arp_reply(src, dst, number, size=60, tag=b""):
    """A unicast ARP reply with a nonce after it: it passes whatever the groups say."""
    ether = octets(mac(dst)) + octets(mac(src)) + tag + b"\x08\x06"
    body = bytes.fromhex("0001080006040002") + octets(mac(src)) + ip_address(ipv4(src)).packed
    body += octets(mac(dst)) + ip_address(ipv4(dst)).packed
    return (ether + body + nonce(number)).ljust(size, b"\0")


def udp(src, dst, l4_port, number):
    """A UDP datagram, with no checksum."""
    payload = nonce(number)
    header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0))
    header += ip_address(ipv4(src)).packed + ip_address(ipv4(dst)).packed
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
    datagram = struct.pack(">HHHH", 40000, l4_port, 8 + len(payload), 0) + payload
    return octets(mac(dst)) + octets(mac(src)) + b"\x08\x00" + bytes(header) + datagram


def octets(text):
    return bytes.fromhex(text.replace(":", ""))


def window(frames, markers=(), timeout_ms=2000):
    """*frames*: (kind, name, frame); *markers*: (kind, name, number)."""
    return Window(
        injections=tuple(Injection(point=point(kind, name), frame=frame) for kind, name, frame in frames),
        markers=tuple((point(kind, name), nonce(number)) for kind, name, number in markers),
        timeout_ms=timeout_ms,
    )


def sightings(captured):
    """Return {nonce: {kind:name, ...}}."""
    seen = {}
    for capture in captured.captures:
        for found in nonces(capture.frame):
            seen.setdefault(found, set()).add(str(capture.point))
    return seen
