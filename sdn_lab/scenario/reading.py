"""What the resolving modules share: the decoded file, where its parts were written, what is wrong.

`Reading` is passed through the ``resolve_...`` functions in the order of `scenario.load`; each adds to
`sources` and complains by path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from sdn_lab.model.diagnostic import Span
from sdn_lab.scenario.complaint import Complaints, listed, quote
from sdn_lab.scenario.decode import Decoded
from sdn_lab.scenario.document import Document, Path
from sdn_lab.scenario.format import BROKEN, File, Tenant

T = TypeVar("T")

KINDS: Mapping[str, tuple[str, Path]] = {
    "network": ("SCN023", ("networks",)),
    "hypervisor": ("SCN024", ("underlay", "sites")),
    "security group": ("SCN025", ("security_groups",)),
    "site": ("SCN026", ("underlay", "sites")),
    "tenant": ("SCN046", ("tenants",)),
}
"""What can be referred to by name: the code of a name that nothing has, and where the names are."""

LAST = frozenset({"router", "peering", "dedicated"})  # kinds that do not take a bare path from another


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

        Several may share a path (``red/db``).  Alone, it means the last noted of network, group and port;
        a router, a peering or a dedication only where none of these has it.
        """
        span = self.document.key_place(path).span
        self.sources[f"{kind}:{name}"] = span
        if kind in LAST:
            self.sources.setdefault(name, span)
        else:
            self.sources[name] = span

    def blame(
        self,
        code: str,
        path: Path,
        what: str,
        why: str = "",
        fix: str = "",
        first: Path | None = None,
        first_is: str = "first written at",
    ) -> None:
        """Complain of the value at *path*; *first* is where the same thing was written before."""
        also = () if first is None else ((first_is, self.document.place(first).span),)
        self.complaints.add(code, self.document.place(path), what, why=why, fix=fix, also=also)

    def refer(self, kind: str, name: str, path: Path, tenant: str | None = None) -> None:
        """Complain if nothing of this kind (of this tenant) has this name."""
        code, table = KINDS[kind]
        where: Path = table if tenant is None else ("tenants", tenant, *table)
        known = self._names(kind, tenant)
        if name not in known:
            self.unknown(code, path, kind, name, known, among=where)

    def _names(self, kind: str, tenant: str | None) -> Collection[str]:
        if tenant is not None:
            owner = self.file.tenants[tenant]
            return owner.networks if kind == "network" else owner.security_groups
        if kind == "tenant":
            return self.file.tenants
        sites = self.file.underlay.sites
        return sites if kind == "site" else [h for members in sites.values() for h in members]

    def unknown(
        self, code: str, path: Path, kind: str, name: str, known: Collection[str], *, among: Path
    ) -> None:
        """Complain of a name that nothing has, with the nearest that something does.

        Not where the names *among* which it should be were refused: one complaint is enough.
        """
        if not self.is_whole(among):
            return
        where = f" in '{among[1]}'" if len(among) > 2 else ""
        names = sorted(set(known))
        close = get_close_matches(name, names, n=1)
        self.blame(
            code,
            path,
            f"there is no {kind} {quote(name)}{where}",
            f"known are {listed(names)}" if names else f"no {kind} is defined{where}",
            f"did you mean '{close[0]}'?" if close else "",
        )

    def is_whole(self, path: Path) -> bool:
        """Say whether the part of the frame at *path* is as it was written."""
        return not any(path[: len(broken)] == broken for broken in self.decoded.broken)


def whole(parts: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    """Give the parts that were not refused."""
    return ((name, part) for name, part in parts.items() if part is not BROKEN)
