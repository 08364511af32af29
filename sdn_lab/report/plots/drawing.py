"""What both pictures are drawn with: a canvas, a palette, a few shapes.  The home of matplotlib.

A figure has no display and no global state behind it (`matplotlib.figure.Figure`, never `pyplot`).

Reference: M. Okabe, K. Ito, "Color Universal Design", 2008: colours that the colour-blind tell apart; a dark
grey stands for their black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

INK, FAINT, LINE, PAPER = "#1a1a1a", "#6b6b6b", "#9a9a9a", "#ffffff"
SITE, HYPERVISOR = "#f3f3f3", "#ffffff"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, VERMILION, PURPLE, GREY = "#0072b2", "#d55e00", "#cc79a7", "#4d4d4d"
_TENANTS = (SKY, ORANGE, GREEN, PURPLE, YELLOW, BLUE, VERMILION, GREY)
_NAMED = {
    "blue": SKY,
    "orange": ORANGE,
    "green": GREEN,
    "purple": PURPLE,
    "pink": PURPLE,
    "yellow": YELLOW,
    "red": VERMILION,
    "grey": GREY,
    "gray": GREY,
}
_HATCHES = ("", "//", "\\\\", "xx", "..", "--", "||", "++")
_DPI = 130
_LETTER = 0.62  # width of a letter as a part of its size
_SETTINGS = {
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "sdn-lab",
    "svg.fonttype": "path",
    "hatch.linewidth": 0.5,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a tenant is painted: beyond eight tenants the hatch tells those of one colour apart."""

    colour: str
    hatch: str

    @property
    def ink(self) -> str:
        """What is written on it."""
        return PAPER if self.colour in (BLUE, VERMILION, GREEN, GREY) else INK


def looks(tenants: Sequence[str]) -> dict[str, Look]:
    """Give each tenant its look: the colour that it is named after, or else the next one that is left."""
    named = {name: Look(_NAMED[name], "") for name in tenants if name in _NAMED}
    taken = {look.colour for look in named.values()}
    free = [Look(colour, hatch) for hatch in _HATCHES for colour in _TENANTS if hatch or colour not in taken]
    others = [name for name in tenants if name not in named]
    return named | {name: free[index % len(free)] for index, name in enumerate(others)}


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure of so many inches and an empty plane on it, one unit an inch, y downwards."""
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    plane = figure.add_axes((0, 0, 1, 1))
    plane.set_xlim(0, width)
    plane.set_ylim(height, 0)
    plane.axis("off")
    return figure, plane


def box(
    plane: Any, x: float, y: float, width: float, height: float, *, round_: float = 0.0, **style: Any
) -> None:
    """Draw a box from its upper left corner; *round_* is the radius of its corners."""
    held = {"facecolor": PAPER, "edgecolor": LINE, "linewidth": 0.8, **style}
    shape: Any = Rectangle((x, y), width, height, **held)
    if round_:
        shape = FancyBboxPatch(
            (x + round_, y + round_),
            width - 2 * round_,
            height - 2 * round_,
            boxstyle=f"round,pad={round_},rounding_size={round_}",
            **held,
        )
    plane.add_patch(shape)


def mosaic(plane: Any, x: float, y: float, side: float, colours: Sequence[Sequence[str]]) -> None:
    """Fill rows of squares, thousands of them at once, from the upper left corner."""
    if not colours:
        return
    limits = plane.get_xlim(), plane.get_ylim()
    extent = (x, x + side * len(colours[0]), y + side * len(colours), y)
    pixels = [[to_rgb(colour) for colour in row] for row in colours]
    plane.imshow(pixels, extent=extent, aspect="auto", interpolation="nearest", zorder=1)
    plane.set_xlim(limits[0])
    plane.set_ylim(limits[1])


def marks(plane: Any, spots: Sequence[tuple[float, float]], sign: str, inches: float) -> None:
    """Put the same sign at many places."""
    if spots:
        xs, ys = zip(*spots, strict=True)
        plane.scatter(xs, ys, marker=sign, s=(inches * 72) ** 2, color=INK, linewidths=1.0, zorder=4)


def write(plane: Any, x: float, y: float, text: str, size: float = 8, **style: Any) -> None:
    """Write a text, centred unless *style* says otherwise."""
    held = {"ha": "center", "va": "center", "color": INK, "parse_math": False, **style}
    plane.text(x, y, text, fontsize=size, **held)


def inches(letters: int, size: float) -> float:
    """Return how wide so many letters of a size are, or a little less."""
    return letters * size * _LETTER / 72


def fitted(text: str, width: float, size: float) -> str:
    """Return as much of *text* as fits into *width* inches; what is cut off is shown as an ellipsis."""
    room = max(1, int(width * 72 / (size * _LETTER)))
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def save(figure: Figure, to: Path | IO[bytes], kind: str) -> None:
    """Write a figure as ``png`` or ``svg``, without dates."""
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(_SETTINGS):
        figure.savefig(to, format=kind, dpi=_DPI, metadata=metadata)
