"""YAML 1.2 text to a `Document`.

Where it sits
-------------
Reads:    ruamel.yaml's events; nothing is constructed by the library.  Its one home.
Used by:  `scenario.load`.

Why not the library's own composer
----------------------------------
An alias must keep its own place, so that a message can name the line of ``blue: *tenant`` beside the
line that it stands for.  Composed nodes share the anchor's node and forget the alias.  From events the
tree is a page of code, and the bounds on depth and size (aliases of aliases grow exponentially) have
one obvious place.

Scalars follow the YAML 1.2 core schema: ``on`` is text and ``12:34:56`` is text.

Reference: YAML 1.2.2, sections 3.2 and 10.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from sdn_lab.model.diagnostic import Span
from sdn_lab.scenario.complaint import Complaints, Place
from sdn_lab.scenario.document import Alias, Document, Mapping, Node, Scalar, Sequence

MAX_DEPTH = 40
MAX_VALUES = 500_000  # after aliases are followed; a scenario of a thousand ports has some ten thousand
LONGEST_NUMBER = 18  # characters; longer digits stay text, and are then refused as such

_NULL = re.compile(r"(?:null|Null|NULL|~|)")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


def source_lines(text: str) -> list[str]:
    """Return the lines of *text*, divided as YAML counts them, safe to print."""
    return ["".join(c if c.isprintable() else " " for c in line) for line in _LINE_BREAK.split(text)]


def read(text: str, file: str, complaints: Complaints) -> Document | None:
    """Read *text*.  On trouble, complain and return None (or the document, for duplicate keys)."""
    reader = _Reader(file=file, complaints=complaints)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = reader.document(iter(yaml.parse(text)))
    except _RefusedError:
        return None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = None if mark is None else Span(file=file, line=mark.line + 1, column=mark.column + 1)
        problem = error.problem or error.context or "it cannot be read"
        if "'\\t'" in problem:
            problem = "a tab stands where YAML wants spaces"
        complaints.add(
            "SCN001",
            Place(span=span or reader.start),
            f"this is not YAML: {problem}",
            why=error.context or "",
        )
        return None
    except YAMLError:
        complaints.add(
            "SCN001",
            Place(span=reader.start),
            "this is not YAML: it holds a character that YAML does not allow",
            fix="save the file as plain UTF-8 text, without control characters",
        )
        return None
    except (ValueError, ArithmeticError):  # the scanner's own, e.g. for an escape beyond Unicode
        complaints.add(
            "SCN001", Place(span=reader.start), "this is not YAML: an escape or directive is malformed"
        )
        return None
    return None if root is None else Document(root=root)


class _RefusedError(Exception):
    """Reading cannot go on; the complaint has been made."""


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Events to nodes."""

    file: str
    complaints: Complaints
    anchors: dict[str, Node | None] = field(default_factory=dict)  # None: still being read
    sizes: dict[int, int] = field(default_factory=dict)
    start: Span = field(init=False)

    def __post_init__(self) -> None:
        self.start = Span(file=self.file, line=1, column=1)

    def document(self, events: Iterator[object]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self.refuse(
                        self.span(event), "a scenario file holds one document, and here a second starts"
                    )
                root = self.node(next(events), events, depth=0)
        if root is None:
            self.complaints.add(
                "SCN001",
                Place(span=self.start),
                "the file is empty",
                fix="start with 'version: 1'; `sdn-lab list` names scenarios to copy from",
            )
        return root

    def node(self, event: object, events: Iterator[object], depth: int) -> Node:
        """Read the node that *event* begins."""
        span = self.span(event)
        if depth > MAX_DEPTH:
            self.refuse(span, f"lists and mappings are nested more than {MAX_DEPTH} deep")
        if isinstance(event, AliasEvent):
            return self.alias(event, span)
        tag, anchor = getattr(event, "tag", None), getattr(event, "anchor", None)
        if tag is not None and tag != "!":
            self.refuse(
                span,
                f"a tag ('{_written_tag(str(tag))}') gives a value's type, and scenario files have none",
            )
        if anchor is not None:
            self.anchors[anchor] = None
        node: Node
        if isinstance(event, ScalarEvent):
            node, size = Scalar(span=span, value=_scalar(event)), 1
        elif isinstance(event, SequenceStartEvent):
            node, size = self.sequence(span, events, depth)
        else:
            assert isinstance(event, MappingStartEvent)
            node, size = self.mapping(span, events, depth)
        if size > MAX_VALUES:
            self.refuse(span, f"with its aliases followed, this holds more than {MAX_VALUES} values")
        self.sizes[id(node)] = size
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def alias(self, event: AliasEvent, span: Span) -> Alias:
        span = replace(span, length=len(str(event.anchor)) + 1)
        if event.anchor not in self.anchors:
            self.refuse(span, f"the alias '*{event.anchor}' has no anchor '&{event.anchor}' above it")
        target = self.anchors[event.anchor]
        if target is None:
            self.refuse(span, f"the alias '*{event.anchor}' lies inside what it stands for")
        assert target is not None
        node = Alias(span=span, target=target)
        self.sizes[id(node)] = self.sizes[id(target)]
        return node

    def sequence(self, span: Span, events: Iterator[object], depth: int) -> tuple[Sequence, int]:
        items = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self.node(event, events, depth + 1))
        return Sequence(span=span, items=tuple(items)), 1 + sum(self.sizes[id(i)] for i in items)

    def mapping(self, span: Span, events: Iterator[object], depth: int) -> tuple[Mapping, int]:
        entries: dict[str, tuple[Span, Node]] = {}
        size = 1
        while not isinstance(event := next(events), MappingEndEvent):
            key_span = self.span(event)
            if not isinstance(event, ScalarEvent):
                self.refuse(key_span, "a key is a word, not a list, a mapping or an alias")
            assert isinstance(event, ScalarEvent)
            if event.anchor is not None:
                self.refuse(key_span, f"the key '{event.value}' has an anchor; put it before the value")
            key = str(event.value)
            value = self.node(next(events), events, depth + 1)
            size += self.sizes[id(value)]
            if key not in entries:
                entries[key] = key_span, value
                continue
            self.complaints.add(
                "SCN002",
                Place(span=key_span),
                f"key '{key}' is written twice in one mapping",
                why="this would silently replace the first",
                fix="keep one of the two, or give this one another name",
                also=(("first written at", entries[key][0]),),
            )
        return Mapping(span=span, entries=entries), size

    def span(self, event: object) -> Span:
        start, end = event.start_mark, event.end_mark  # type: ignore[attr-defined]
        one_line = isinstance(event, ScalarEvent) and start.line == end.line
        length = max(1, end.column - start.column) if one_line else 1
        return Span(file=self.file, line=start.line + 1, column=start.column + 1, length=length)

    def refuse(self, span: Span, what: str) -> None:
        self.complaints.add("SCN003", Place(span=span), what)
        raise _RefusedError


def _written_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _scalar(event: ScalarEvent) -> str | int | float | bool | None:
    """Give a scalar its value by the core schema; what is quoted is text."""
    text = str(event.value)
    if event.style is not None or event.tag == "!":
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) <= LONGEST_NUMBER:
        if _INT.fullmatch(text):
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text, base)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
