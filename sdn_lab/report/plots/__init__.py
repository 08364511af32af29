"""Pictures of a scenario and of a report, for people: PNG or SVG by matplotlib, without a display.

| picture | shows | module |
|---|---|---|
| topology | sites, links, hypervisors and the ports on them | `hypervisors` |
| | networks, and what joins them on purpose | `networks` |
| matrix | who may talk to whom, what is isolated, what leaked | `isolation` |

``--report png=DIR`` writes both (`PngReporter`), ``sdn-lab graph SCENARIO -o FILE`` the topology.

matplotlib is an optional extra and lives in this package; nothing outside imports it, and nothing here is
imported before somebody wants a picture.  Colours are Okabe and Ito's, which the colour-blind can tell apart,
and no meaning is in a colour alone.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import IO, Any, ClassVar

from sdn_lab.model.diagnostic import ApparatusError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report

SUFFIXES = (".png", ".svg")


class PngReporter:
    """A `contracts.Reporter` that writes ``topology.png`` and ``matrix.png`` into a folder."""

    name: ClassVar[str] = "png"

    def write(self, report: Report, scenario: Scenario | None, path: Path) -> None:
        """Write the pictures into the folder *path*, and make it if need be; none without a scenario."""
        if scenario is None:
            return
        path.mkdir(parents=True, exist_ok=True)
        save(topology(scenario), path / "topology.png")
        save(matrix(report, scenario), path / "matrix.png")


def ready() -> None:
    """Raise ApparatusError if pictures cannot be drawn here."""
    _drawing()


def topology(scenario: Scenario) -> Any:
    """Return the figure of the topology.  Raises ApparatusError without matplotlib."""
    _drawing()
    from sdn_lab.report.plots.hypervisors import figure  # noqa: PLC0415 (matplotlib is optional)

    return figure(scenario)


def matrix(report: Report, scenario: Scenario) -> Any:
    """Return the figure of the matrix.  Raises ApparatusError without matplotlib."""
    _drawing()
    from sdn_lab.report.plots.isolation import figure  # noqa: PLC0415

    return figure(report, scenario)


def save(figure: Any, path: Path) -> None:
    """Write a figure; the end of the file's name says which format.  The same figure gives the same file."""
    _drawing().save(figure, path, path.suffix.removeprefix("."))


def save_to(figure: Any, stream: IO[bytes]) -> None:
    """Write a figure to a stream, as PNG."""
    _drawing().save(figure, stream, "png")


def _drawing() -> ModuleType:
    try:
        from sdn_lab.report.plots import drawing  # noqa: PLC0415
    except ImportError as error:
        raise ApparatusError(
            "pictures need matplotlib, which is not installed: pip install 'sdn-lab[plots]'"
        ) from error
    return drawing
