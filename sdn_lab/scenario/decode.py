"""From a document to checked models: what the *shape* of the file gets wrong, in words.

Where it sits
-------------
Reads:    `sdn_lab.scenario.document` (the tree), `sdn_lab.scenario.format` (the models).
Gives:    a `File` whose refused parts are `BROKEN`, so that `resolve` can go on with the rest.

How all errors are found at once
--------------------------------
The models are tried; each objection is told at its place, and then *mended* in a copy of the values:
an unknown key is taken out, a part that stands alone (a rule, an instance, a link) becomes `BROKEN`, a
value of the file's frame gets a harmless stand-in.  Then they are tried again, until nothing is left to
object to.  Mended values never leave this package: there has been a complaint, so `load` raises.

Nothing of pydantic's own wording reaches the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from sdn_lab.scenario.complaint import Complaints, quote
from sdn_lab.scenario.document import Document, Path
from sdn_lab.scenario.format import BROKEN, File
from sdn_lab.scenario.parts import KEY, STAND_INS, UNITS, called, fits, known_keys
from sdn_lab.scenario.refused import NEVER, NOT_YET

WANTED: Mapping[str, str] = {
    "string": "a word",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "list": "a list",
}
ROUNDS = 8  # each round mends every objection of the one before; nesting is four units deep


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """*broken*: paths of the frame that got a stand-in; what refers to them is not to be blamed."""

    file: File
    broken: frozenset[Path] = field(default_factory=frozenset)


def decode(document: Document, complaints: Complaints) -> Decoded | None:
    """Check the shape.  Complain of everything; return None only when nothing can be salvaged."""
    values = document.plain()
    if not isinstance(values, dict):
        place = document.place(())
        complaints.add(
            "SCN007",
            place,
            f"a scenario file is a mapping, not {quote(values)}",
            fix="start with 'version: 1'",
        )
        return None
    mender = _Mender(document=document, complaints=complaints, values=values)
    if not mender.version_is_known():
        return None  # another version's keys would all be unknown here: that is no help
    mender.refuse_empty_values()
    for _ in range(ROUNDS):
        try:
            file = File.model_validate(mender.values)
        except ValidationError as error:
            mender.mend(error)
        else:
            return Decoded(file=file, broken=frozenset(mender.broken))
    return None


@dataclass(slots=True, kw_only=True)
class _Mender:
    document: Document
    complaints: Complaints
    values: dict[str, Any]
    broken: set[Path] = field(default_factory=set)

    def version_is_known(self) -> bool:
        version = self.values.get("version")
        if "version" not in self.values or (version == 1 and type(version) is int):
            return True
        self.complaints.add(
            "SCN004",
            self.document.place(("version",)),
            f"version {quote(version)} of the scenario file is not known",
            why="this sdn-lab reads version 1",
            fix="write 'version: 1', or use the sdn-lab that this file was made for",
        )
        return False

    def refuse_empty_values(self) -> None:
        """Refuse ``ports:`` with nothing behind it: left out means every port, empty must not."""
        for path in list(_empty(self.values, ())):
            self.complaints.add(
                "SCN007",
                self.document.key_place(path),
                f"nothing is written for {called(path)}",
                why="an empty value could be read as everything or as nothing",
                fix="write a value ([] and {} are an empty list and mapping), or leave the key out",
            )
            self.replace(path)

    def mend(self, error: ValidationError) -> None:
        # The deepest first: a part must not become BROKEN before what is inside it was mended.
        problems = error.errors(include_url=False)
        extra = {tuple(p["loc"]) for p in problems if p["type"] == "extra_forbidden"}
        for problem in sorted(problems, key=lambda p: -len(p["loc"])):
            path: Path = tuple(problem["loc"])
            if problem["type"] != "missing" or not _misspelt(path, extra):
                self.explain(path, problem)
            if problem["type"] == "extra_forbidden" and path[:1] == ("intents",):
                self.replace(path)  # without the key, nothing would be left of this wish
            elif problem["type"] == "extra_forbidden":
                self.remove(path)
            elif path[-1] == KEY:
                self.remove(path[:-1])
                self.broken.add(path[:-2])
            else:
                self.replace(path)

    def explain(self, path: Path, problem: Mapping[str, Any]) -> None:
        """Say in the user's words what a model objected to."""
        add, place, kind = self.complaints.add, self.document.place, problem["type"]
        context: Mapping[str, Any] = problem.get("ctx", {})
        if kind == "sdn_lab":
            where = self.document.key_place(path[:-1]) if path and path[-1] == KEY else place(path)
            add(context["code"], where, context["what"], why=context["why"], fix=context["fix"])
        elif kind == "extra_forbidden":
            self.unknown_key(path)
        elif kind == "missing":
            add(
                "SCN006",
                self.document.key_place(path[:-1]),
                f"{called(path[:-1])} has no '{path[-1]}'",
                why=f"'{path[-1]}' is required here",
            )
        else:
            wanted = next(
                (words for start, words in WANTED.items() if kind.startswith(start)), "something else"
            )
            add(
                "SCN007",
                place(path),
                f"{called(path)} is {quote(problem['input'])}",
                why=f"it must be {wanted}",
            )

    def unknown_key(self, path: Path) -> None:
        key, place = str(path[-1]), self.document.key_place(path)
        if key.lower() in NOT_YET:
            what = f"'{key}' is not supported yet"
            self.complaints.add("SCN008", place, what, why=NOT_YET[key.lower()], fix="leave it out for now")
        elif key.lower() in NEVER:
            self.complaints.add(
                "SCN009", place, f"'{key}' is not part of scenario files", why=NEVER[key.lower()]
            )
        else:
            known = known_keys(path[:-1])
            close = get_close_matches(key, known, n=1)
            self.complaints.add(
                "SCN005",
                place,
                f"{quote(key)} is not a key that {called(path[:-1])} can have",
                why=f"known are {', '.join(known)}",
                fix=f"did you mean '{close[0]}'?" if close else "",
            )

    def remove(self, path: Path) -> None:
        """Take out a key that is unknown, or cannot be a name."""
        parent = _at(self.values, path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)

    def replace(self, path: Path) -> None:
        """Put BROKEN, or a stand-in, for the smallest part around *path* that can stand for itself."""
        unit = max((path[: len(u)] for u in UNITS if fits(u, path)), key=len, default=())
        if unit:
            _put(self.values, unit, BROKEN)
            return
        known = max((p for p in STAND_INS if path[: len(p)] == p), key=len, default=None)
        if known is not None:
            self.broken.add(known)
            _put(self.values, known, deepcopy(STAND_INS[known]))
        elif len(path) > 1 and path[0] == "underlay":
            self.values["underlay"].pop(path[1], None)
        else:
            self.values.pop(str(path[0]), None)


def _misspelt(missing: Path, extra: set[Path]) -> bool:
    """Say whether the key that is missing is there under a name much like it, which was told."""
    beside = [str(path[-1]) for path in extra if path[:-1] == missing[:-1]]
    return bool(get_close_matches(str(missing[-1]), beside, n=1))


def _at(values: object, path: Path) -> object:
    """Follow a model's path in the values, where a short form may have fewer steps."""
    for step in path:
        if isinstance(values, dict) and isinstance(step, str):
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int):
            values = values[step] if step < len(values) else None
    return values


def _put(values: object, path: Path, value: object) -> None:
    parent = _at(values, path[:-1])
    last = path[-1]
    if isinstance(parent, list):
        if isinstance(last, int) and last < len(parent):
            parent[last] = value
    elif isinstance(parent, dict):
        parent[last] = value


def _empty(values: object, path: Path) -> Any:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _empty(value, (*path, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from _empty(value, (*path, index))
    elif values is None:
        yield path
