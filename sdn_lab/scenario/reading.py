"""What the resolving modules share: the decoded file, where its parts were written, what is wrong.

`Reading` is passed through `resolve_underlay`, `resolve_networks`, `resolve_groups`, `resolve_ports`
and `resolve_intents`, in this order; each adds to `sources` and complains by path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from sdn_lab.model.diagnostic import Span
from sdn_lab.scenario.complaint import Complaints, listed, quote
from sdn_lab.scenario.decode import Decoded
from sdn_lab.scenario.document import Document, Path
from sdn_lab.scenario.format import BROKEN, File, Tenant

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Reading:
    """One file on its way to a scenario."""

    document: Document
    decoded: Decoded
    complaints: Complaints
    sources: dict[str, Span] = field(default_factory=dict)

    @property
    def file(self) -> File:
        return self.decoded.file

    def tenants(self) -> Iterator[tuple[str, Tenant]]:
        """Give the tenants that are whole, in the order of the file."""
        return whole(self.file.tenants)

    def written(self, kind: str, name: str, path: Path) -> None:
        """Note where an object was written: under its kind and path, and under its path alone.

        A network, a group and a port may share a path (``red/db``); alone, it means the last noted.
        """
        span = self.document.key_place(path).span
        self.sources[f"{kind}:{name}"] = span
        self.sources[name] = span

    def blame(
        self, code: str, path: Path, what: str, why: str = "", fix: str = "", first: Path | None = None
    ) -> None:
        """Complain of the value at *path*; *first* is where the same thing was written before."""
        also = () if first is None else (("first written at", self.document.place(first).span),)
        self.complaints.add(code, self.document.place(path), what, why=why, fix=fix, also=also)

    def unknown(self, code: str, path: Path, kind: str, name: str, known: list[str], where: str = "") -> None:
        """Complain of a name that nothing has, with the nearest that something does."""
        known = sorted(set(known))
        close = get_close_matches(name, known, n=1)
        self.blame(
            code,
            path,
            f"there is no {kind} {quote(name)}{where}",
            f"known are {listed(known)}" if known else f"no {kind} is defined{where}",
            f"did you mean '{close[0]}'?" if close else "",
        )


def whole(parts: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    """Give the parts that were not refused."""
    return ((name, part) for name, part in parts.items() if part is not BROKEN)
