"""A YAML text as a tree that knows where each of its parts was written.

What
----
Nodes (`Scalar`, `Sequence`, `Mapping`, `Alias`), each with its `Span`.  `Document.plain` is the same
tree as Python values, which the models check; `Document.place` leads from a path in those values, such
as ``("tenants", "blue", "instances", "vm1", "ip", 0)``, back to the text.

Where it sits
-------------
Made by:  `scenario.yaml_reader`.
Used by:  `scenario.decode` (shape) and `scenario.reading` (meaning), by way of `Place`.

Invariants
----------
Keys are text, as written (``1`` and ``"1"`` are one key); a key is unique in its mapping.  An alias
keeps a place of its own: ``blue: *tenant`` may be wrong only because it is *blue*.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdn_lab.model.diagnostic import Span
from sdn_lab.scenario.complaint import Place

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value without parts: text, number, truth value or nothing."""

    span: Span
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A mapping: key to the place of the key and the value."""

    span: Span
    entries: dict[str, tuple[Span, Node]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """``*name``: *target* was written elsewhere."""

    span: Span
    target: Node


Node = Scalar | Sequence | Mapping | Alias


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document."""

    root: Node

    def plain(self) -> object:
        """Return the tree as dict, list, str, int, float, bool and None; aliases are copied out."""
        return _plain(self.root)

    def place(self, path: Path) -> Place:
        """Return where the value at *path* was written.

        Where the text is shorter than the path (a lone value for a list of one, a list for a group's
        ``rules``; a key that is missing), the nearest place above is meant.
        """
        node, key, aliases = self._walk(path)
        span = node.span if isinstance(node, Scalar) or key is None else key
        return Place(span=span, aliases=aliases)

    def key_place(self, path: Path) -> Place:
        """Return where the last key of *path* was written; for an item of a list, the item."""
        node, key, aliases = self._walk(path)
        return Place(span=node.span if key is None else key, aliases=aliases)

    def _walk(self, path: Path) -> tuple[Node, Span | None, tuple[Span, ...]]:
        node, key = self.root, None
        aliases: list[Span] = []
        for step in path:
            node = _follow(node, aliases)
            if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
                key, node = node.entries[step]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                key, node = None, node.items[step]
        return _follow(node, aliases), key, tuple(aliases)


def _follow(node: Node, aliases: list[Span]) -> Node:
    while isinstance(node, Alias):
        aliases.append(node.span)
        node = node.target
    return node


def _plain(node: Node) -> object:
    match node:
        case Alias(target=target):
            return _plain(target)
        case Mapping(entries=entries):
            return {key: _plain(value) for key, (_, value) in entries.items()}
        case Sequence(items=items):
            return [_plain(item) for item in items]
        case Scalar(value=value):
            return value
