"""What is expected of a packet follows from the claims' semantics alone."""

from ipaddress import ip_address

from sdn_lab.model.assignment import assign
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import ICMP, SCTP, TCP, UDP, Allowance, PairSemantics, Traffic
from sdn_lab.model.verdict import Claim, Kind
from sdn_lab.observe.constants import Constants
from sdn_lab.observe.probes.reach import aimed
from sdn_lab.observe.world import World

from .fake import claims_of, scenario, world_of

MADE = scenario()
A, B = MADE.port("red/a"), MADE.port("red/b")
IP_A, IP_B = ip_address("10.0.0.1"), ip_address("10.0.0.2")
EVERYTHING = ((1, 65535),)


def box(src, dst, protocol: int, ports=EVERYTHING) -> Allowance:
    return Allowance(src=src, dst=dst, protocol=protocol, l4_ports=ports)


def said(*, new=(), egress=(), reverse_new=(), reverse_egress=()) -> PairSemantics:
    return PairSemantics(
        new=Traffic(allowances=new),
        egress=Traffic(allowances=egress),
        reverse_new=Traffic(allowances=reverse_new),
        reverse_egress=Traffic(allowances=reverse_egress),
    )


def world(
    there: PairSemantics, back: PairSemantics, *more: Claim, constants: Constants | None = None
) -> World:
    about = {("red/a", "red/b"): there, ("red/b", "red/a"): back}
    claims = [c for c in claims_of(MADE) if c.objects not in about]
    claims += [
        Claim(id="/".join(("exact", *objects)), kind=Kind.EXACT, objects=objects, semantics=semantics)
        for objects, semantics in about.items()
    ]
    return World(MADE, (*claims, *more), assign(MADE), constants or Constants(), seed=1)


def one_way(port: int = 80) -> World:
    """a may open TCP *port* to b; both may send what they like."""
    new, mine, theirs = box(IP_A, IP_B, TCP, ((port, port),)), box(IP_A, IP_B, TCP), box(IP_B, IP_A, TCP)
    return world(
        said(new=(new,), egress=(mine,), reverse_egress=(theirs,)),
        said(egress=(theirs,), reverse_new=(new,), reverse_egress=(mine,)),
    )


def test_both_sides_of_each_edge_are_tried_and_expected_as_the_claims_say() -> None:
    w = one_way()

    tried = {n: w.expected(A, B, w.flow(IP_A, IP_B, TCP, n)) for n in w.boundaries(A, B, TCP)}

    assert {79, 80, 81, 65535} <= set(tried)
    assert [n for n, expected in tried.items() if expected is Expected.DELIVERED] == [80]


def test_an_answer_to_an_allowed_flow_must_arrive_to_a_refused_one_it_may() -> None:
    w = one_way()

    assert w.answer(A, B, w.flow(IP_A, IP_B, TCP, 80)) is Expected.DELIVERED
    assert w.answer(A, B, w.flow(IP_A, IP_B, TCP, 81)) is Expected.EITHER


def test_an_answer_that_the_answerer_may_not_send_as_its_own_is_refused() -> None:
    mine = box(IP_A, IP_B, UDP)
    w = world(said(egress=(mine,)), said(reverse_egress=(mine,)))

    assert w.answer(A, B, w.flow(IP_A, IP_B, UDP, 9)) is Expected.NOTHING


def test_dhcp_is_refused_whatever_the_groups_say() -> None:
    mine = box(IP_A, IP_B, UDP)
    w = world(said(new=(mine,), egress=(mine,)), said(reverse_new=(mine,)))

    assert w.expected(A, B, w.flow(IP_A, IP_B, UDP, 68)) is Expected.DELIVERED
    assert w.expected(A, B, w.flow(IP_A, IP_B, UDP, 67)) is Expected.NOTHING


def test_a_wish_adds_its_edges_and_its_claim() -> None:
    wish = Claim(
        id="reachable/red/a/red/b/tcp/2222",
        kind=Kind.REACHABLE,
        objects=("red/a", "red/b"),
        traffic=Traffic(allowances=(box(IP_A, IP_B, TCP, ((2222, 2222),)),)),
    )
    w = world(said(), said(), wish)

    assert {2221, 2222, 2223} <= set(w.boundaries(A, B, TCP))
    assert wish.id in w.claims_on(A, B, w.flow(IP_A, IP_B, TCP, 2222))
    assert wish.id not in w.claims_on(A, B, w.flow(IP_A, IP_B, TCP, 2223))


def test_every_planted_port_is_tried_at_every_destination() -> None:
    ports = tuple(range(3000, 3100))
    w = world_of(MADE, Constants({"tcp_dst": ports}))

    for dst in w.ports:
        tried = {n for src in w.peers(dst) for n in w.planted(src, dst)}
        assert tried == set(ports)


def test_a_packet_to_a_strangers_address_is_for_the_neighbour_with_the_same() -> None:
    w = one_way()
    stranger = MADE.port("blue/b")

    assert aimed(w, A, stranger.mac, w.flow(IP_A, IP_B, TCP, 80)) == (B, Expected.DELIVERED)
    assert aimed(w, A, stranger.mac, w.flow(IP_A, IP_B, TCP, 81)) == (B, Expected.NOTHING)
    assert aimed(w, A, A.mac, w.flow(IP_A, IP_A, TCP, 80)) == (None, Expected.NOTHING)


def test_a_mac_with_somebody_elses_address_is_for_nobody() -> None:
    w = one_way()

    assert aimed(w, A, B.mac, w.flow(IP_A, ip_address("10.0.0.3"), TCP, 80)) == (None, Expected.NOTHING)


def test_the_sample_is_a_flow_that_may_be_opened() -> None:
    w = one_way()

    flow = w.sample(A, B, 4)

    assert flow is not None
    assert w.opens(A, B, flow)
    assert w.sample(B, A, 4) is None
    assert w.sample(A, B, 6) is None


def test_two_flows_never_share_a_source_port() -> None:
    w = one_way()

    drawn = [w.flow(IP_A, IP_B, protocol, 8).src_l4 for protocol in (TCP, UDP, SCTP, ICMP) * 500]

    assert len(set(drawn)) == len(drawn)


def test_an_unowned_address_and_mac_are_nobodys() -> None:
    w = one_way()
    owned = {ip for port in MADE.ports for ip in port.ips}

    assert w.unowned(A, 4) not in owned
    assert w.unowned(A, 6) not in owned
    assert w.stranger_mac() not in {port.mac for port in MADE.ports}
