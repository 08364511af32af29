"""What is declared as not supported, by feature: the list that may only shrink.

One line of ``unsupported.txt`` is ``suite feature  reason``.  A case that has a declared feature may fail;
any other must pass.  A feature whose every case passes is declared for nothing, and that fails the run too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).with_name("unsupported.txt")


def declared(suite: str, path: Path = LIST) -> dict[str, str]:
    """Return the declared features of a suite with their reasons."""
    held = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            owner, feature, reason = line.split(maxsplit=2)
            if owner == suite:
                held[feature] = reason
    return held


@dataclass(frozen=True, slots=True)
class Ran:
    """One case: its name, its features, and why it failed, empty where it passed."""

    name: str
    features: frozenset[str]
    failure: str


@dataclass(slots=True)
class Judged:
    """All cases of a suite against what is declared."""

    passed: list[Ran] = field(default_factory=list)
    failed: list[Ran] = field(default_factory=list)
    unsupported: list[tuple[Ran, list[str]]] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Say whether every supported case passed, and nothing is declared for nothing."""
        return not self.failed and not self.needless


def judge(ran: Sequence[Ran], reasons: Mapping[str, str]) -> Judged:
    """Sort what ran.  A case with a declared feature is unsupported, whether it passes or not."""
    judged = Judged()
    for one in ran:
        known = sorted(one.features & reasons.keys())
        if known:
            judged.unsupported.append((one, known))
        elif one.failure:
            judged.failed.append(one)
        else:
            judged.passed.append(one)
    for feature in sorted(reasons):
        having = [one for one, features in judged.unsupported if feature in features]
        if having and not any(one.failure for one in having):
            judged.needless.append(feature)
    return judged


def told(suite: str, judged: Judged, reasons: Mapping[str, str]) -> str:
    """Return the result for a person."""
    supported = len(judged.passed) + len(judged.failed)
    total = supported + len(judged.unsupported)
    lines = [f"{suite}: {total} cases, {supported} supported, {len(judged.passed)} passed"]
    for one, features in judged.unsupported:
        why = "; ".join(f"{feature}: {reasons[feature]}" for feature in features)
        lines.append(f"  not supported  {one.name}  {why}")
    lines += [f"  FAILED  {one.name}  {one.failure}" for one in judged.failed]
    lines += [f"  NEEDLESS  {feature} is declared, and all its cases pass" for feature in judged.needless]
    return "\n".join(lines)
