"""Pictures say what the scenario and the report say, and can be read: by everybody, at any size."""

import io
import itertools
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from sdn_lab.model.diagnostic import ApparatusError
from sdn_lab.model.intent import Link, Scenario, Underlay
from sdn_lab.model.verdict import Status
from sdn_lab.report import WRITERS, plots
from sdn_lab.report.plots import drawing, isolation
from sdn_lab.report.plots.wires import switches, told, wires
from sdn_lab.scenario import find, load, loads, shipped
from tests.unit.report.report_samples import SAMPLES
from tests.unit.report.report_samples import scenario as twins

# Machado, Oliveira, Fernandes 2009: what a person without one kind of cones sees of linear RGB.
SIGHT = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881),
    ),
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}  # fmt: skip
JOINED = """\
version: 1
name: joined
underlay: {sites: {east: [hv1, hv2], west: [hv3]}}
tenants:
  red:
    networks: {web: {cidr: [10.1.0.0/24, "fd00:1::/64"]}, db: {cidr: 10.3.0.0/24}}
    routers: {r1: {interfaces: {web: [10.1.0.1], db: [10.3.0.1]}}}
    instances:
      vm1: {network: web, hypervisor: hv1, ip: [10.1.0.11]}
      vm2: {network: db, hypervisor: hv2, ip: [10.3.0.2]}
  blue:
    networks: {api: {cidr: 10.9.0.0/24}}
    routers: {edge: {interfaces: {api: [10.9.0.1]}}}
    instances: {vm1: {network: api, hypervisor: hv2, ip: [10.9.0.11]}}
  green:
    networks: {lone: {cidr: 10.1.0.0/24}}
    instances: {vm1: {network: lone, hypervisor: hv3, ip: [10.1.0.11]}}
peerings:
  - {between: [red/db, blue/api], approved_by: [red, blue], allow: [{protocol: tcp, ports: 5432}]}
  - {between: [red/web, blue/api], approved_by: [red], allow: [{protocol: tcp, ports: 443}]}
dedicated: [{tenant: green, hypervisors: [hv3]}]
"""


def many(tenants: int, each: int, hypervisors: int) -> Scenario:
    """Tenants with the same number of instances, dealt out to hypervisors in two sites."""
    names = [f"hv{n}" for n in range(1, hypervisors + 1)]
    half = (hypervisors + 1) // 2
    lines = [
        "version: 1",
        "name: many",
        f"underlay: {{sites: {{east: {names[:half]}, west: {names[half:]}}}}}",
    ]
    lines.append("tenants:")
    for t in range(tenants):
        lines += [f"  t{t:02}:", "    networks: {app: {cidr: 10.0.0.0/16}}", "    instances:"]
        lines += [
            f"      vm{n:04}: {{network: app, hypervisor: {names[n % hypervisors]}, ip: 10.0.0.{n + 1}}}"
            for n in range(each)
        ]
    return loads("\n".join(lines).replace("'", ""), "many.yaml")


SCENARIOS = {
    **{path.stem if isinstance(path, Path) else path: lambda p=path: load(find(p)) for path in shipped()},
    "joined": lambda: loads(JOINED, "joined.yaml"),
    "64 instances": lambda: many(4, 16, 6),
    "12 tenants": lambda: many(12, 4, 3),
    "600 instances": lambda: many(6, 100, 5),
}


def texts(figure) -> list:
    return [text for axes in figure.axes for text in axes.texts if text.get_text()]


def words(figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def boxes(figure) -> list:
    figure.set_dpi(100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]


def over_one_another(figure) -> list[tuple[str, str]]:
    """Return pairs of words that share more than a hair's breadth."""
    return [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes(figure), 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1.5
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1.5
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_two_words_of_a_topology_lie_over_each_other_or_leave_the_page(name: str) -> None:
    figure = plots.topology(SCENARIOS[name]())

    assert over_one_another(figure) == []
    page = figure.bbox
    for text, box in boxes(figure):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text


@pytest.mark.parametrize("name", ["overlap", "micro_segments", "joined", "64 instances", "12 tenants"])
def test_every_port_and_every_hypervisor_is_named(name: str) -> None:
    scenario = SCENARIOS[name]()

    shown = words(plots.topology(scenario))

    assert {port.path for port in scenario.ports} <= {*shown}
    assert {*scenario.underlay.hypervisors} <= {*shown}
    assert ("5 ms, 1 Gbit/s" in shown) is (name == "overlap")


def test_beyond_what_cells_can_show_each_tenant_is_counted() -> None:
    shown = words(plots.topology(SCENARIOS["600 instances"]()))

    assert shown.count("t03 20") == 5
    assert shown.count("120 ports") == 5


def test_routers_peerings_and_dedications_are_named_and_a_closed_peering_says_so() -> None:
    shown = words(plots.topology(SCENARIOS["joined"]()))

    assert {"router red/r1", "router blue/edge", "peering", "closed peering", "tcp/5432", "tcp/443"} <= {
        *shown
    }
    assert "dedicated to green" in shown


def test_the_same_scenario_gives_the_same_file(tmp_path: Path) -> None:
    scenario = load(find("overlap"))
    for suffix in plots.SUFFIXES:
        files = [tmp_path / f"{n}{suffix}" for n in "ab"]
        for file in files:
            plots.save(plots.topology(scenario), file)
        first, second = (file.read_bytes() for file in files)
        assert first == second
        assert first.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")


def test_no_two_tenants_look_alike_for_anybody() -> None:
    looks = drawing.looks([f"t{n}" for n in range(64)])

    assert len({(look.colour, look.hatch) for look in looks.values()}) == 64
    colours = sorted({look.colour for look in looks.values()})
    assert len(colours) == 8
    for sight, matrix in SIGHT.items():
        for one, other in itertools.combinations(colours, 2):
            a, b = (_seen(matrix, colour) for colour in (one, other))
            apart = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
            assert apart > 0.1, f"{one} and {other} to {sight}: {apart:.2f}"


def _seen(matrix, colour: str) -> list[float]:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    seen = [max(0.0, min(1.0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in matrix]
    return [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in seen]


def test_a_tenant_named_after_a_colour_has_it() -> None:
    looks = drawing.looks(["blue", "green", "acme", "red"])

    assert looks["red"].colour == drawing.VERMILION
    assert looks["green"].colour == drawing.GREEN
    assert looks["acme"].colour not in {looks[n].colour for n in ("blue", "green", "red")}


@pytest.mark.parametrize("sample", ["holds", "violated", "unknown", "chosen"])
def test_a_matrix_says_in_words_what_its_cells_are(sample: str) -> None:
    figure = plots.matrix(SAMPLES[sample](), twins())
    shown = words(figure)

    assert over_one_another(figure) == []
    assert {port.path for port in twins().ports} <= {*shown}
    told = {
        "holds": "isolated",
        "violated": "a packet got there",
        "unknown": "unknown",
        "chosen": "not judged",
    }
    assert told[sample] in shown


@pytest.mark.parametrize("word", ["tcp/8000-8080", "udp/1-53,60000-65535", "sctp/80,443,9000", "icmp"])
def test_ports_are_broken_over_lines_and_none_is_left_out(word: str) -> None:
    side = 0.72
    lines = isolation._wrapped(word, side)

    assert "".join(lines) == word
    assert all(drawing.fitted(line, side, 6.5) == line for line in lines)


def test_a_leak_is_marked_where_it_happened_also_among_64() -> None:
    from tests.unit.report.report_samples import LEAK

    scenario = many(4, 16, 6)
    report = SAMPLES["violated"]()
    verdicts = tuple(
        replace(v, counterexample=replace(LEAK, src="t00/vm0002", dst="t03/vm0004"))
        for v in report.verdicts
        if v.counterexample is not None and v.status is Status.VIOLATED and v.kind.value == "isolated"
    )
    figure = plots.matrix(replace(report, verdicts=verdicts, claims=()), scenario)

    marks = [c for axes in figure.axes for c in axes.collections if len(c.get_offsets()) == 1]
    [[x, y]] = next(c.get_offsets() for c in marks)
    places = {text.get_text(): text.get_position() for text in texts(figure)}
    assert len(verdicts) >= 1
    assert y == pytest.approx(places_of(figure, "t00/vm0002")[0][1], abs=0.01)
    assert x == pytest.approx(places_of(figure, "t03/vm0004")[1][0], abs=0.01)
    assert "t03/vm0015" in places
    assert "a packet got there" in places


def places_of(figure, word: str) -> list[tuple[float, float]]:
    """The name of a row, then of a column."""
    return [text.get_position() for text in texts(figure) if text.get_text() == word]


def test_the_matrix_of_hundreds_of_ports_names_networks() -> None:
    figure = plots.matrix(SAMPLES["holds"](), many(6, 20, 3))

    assert over_one_another(figure) == []
    assert "t05/app" in words(figure)
    assert "t05/vm0001" not in words(figure)


def test_the_reporter_writes_both_pictures_into_a_folder(tmp_path: Path) -> None:
    WRITERS["png"].write(SAMPLES["violated"](), twins(), tmp_path / "new" / "folder")

    assert {file.name for file in (tmp_path / "new" / "folder").iterdir()} == {"matrix.png", "topology.png"}


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("sdn_lab.report.plots.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(plots, "drawing", raising=False)

    with pytest.raises(ApparatusError, match=r"pip install 'sdn-lab\[plots\]'"):
        plots.topology(twins())


def test_links_are_drawn_as_written_and_sites_that_none_joins_are_meshed() -> None:
    sites = {"a": ("h1",), "b": ("h2",), "c": ("h3",)}
    spine = tuple(Link(between=(site, "spine")) for site in "ab")
    hung = (Link(between=("h3", "spine")),)

    assert [w.between for w in wires(Underlay(sites=sites))] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert wires(Underlay(sites=sites, links=spine)) == spine
    assert len(wires(Underlay(sites=sites, links=hung))) == 4
    assert switches(Underlay(sites=sites, links=spine + hung)) == ("spine",)


def test_a_link_tells_what_it_is_like_and_a_plain_one_nothing() -> None:
    assert told(Link(between=("a", "b"))) == ""
    assert (
        told(Link(between=("a", "b"), delay_ms=2.5, rate_bps=10**8, loss=0.01))
        == "2.5 ms, 100 Mbit/s, 1 % loss"
    )


def test_a_figure_can_be_written_to_memory() -> None:
    memory = io.BytesIO()
    drawing.save(plots.topology(twins()), memory, "png")
    assert memory.getvalue().startswith(b"\x89PNG")
