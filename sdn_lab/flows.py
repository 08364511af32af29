"""Folders of flow text: ``DIR/<hypervisor>.flows`` with ``.groups`` beside it (design: decision 8).

Written by ``compile``, read by ``run --flows``.  What a folder does not hold is an error, not an empty
switch; a file for a hypervisor that the scenario does not have is one too.
"""

from __future__ import annotations

from pathlib import Path

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.diagnostic import Diagnostic, InputError
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.openflow.text import format_tables, parse_flows, parse_groups

SUFFIXES = (".flows", ".groups")


def write_program(scenario: Scenario, program: Program, folder: Path) -> list[tuple[Path, int]]:
    """Write one file per hypervisor, commented with origins; return (file, entries) for each.

    Raises InputError if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _problem(f"cannot make the folder '{folder}': {error.strerror}", "name another one") from error
    written = []
    for hypervisor, tables in program.tables.items():
        path = folder / f"{hypervisor}.flows"
        head = f"# {scenario.name}: {hypervisor}, {len(tables.entries)} flow entries\n"
        path.write_text(head + format_tables(tables, _by_origin))
        written.append((path, len(tables.entries)))
    return written


def read_program(folder: Path, assignment: Assignment) -> Program:
    """Read what `write_program` wrote, or somebody edited.  Raises InputError with all problems."""
    problems: list[Diagnostic] = []
    if not folder.is_dir():
        raise _problem(f"there is no folder '{folder}'", "make one with `sdn-lab compile SCENARIO -o DIR`")
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and path.stem not in assignment.datapaths:
            known = ", ".join(sorted(assignment.datapaths))
            problems += _problem(
                f"'{path}' is for no hypervisor of this scenario", f"hypervisors are {known}"
            ).diagnostics
    tables: dict[str, Tables] = {}
    for hypervisor in sorted(assignment.datapaths):
        flows, groups = (folder / f"{hypervisor}{suffix}" for suffix in SUFFIXES)
        try:
            tables[hypervisor] = Tables(
                entries=parse_flows(flows.read_text(), str(flows)),
                groups=parse_groups(groups.read_text(), str(groups)) if groups.exists() else (),
            )
        except InputError as error:
            problems += error.diagnostics
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            problems += _problem(f"cannot read '{flows}': {why}", "every hypervisor has a file").diagnostics
    if problems:
        raise InputError(tuple(problems))
    return Program(tables=tables)


def _by_origin(_: int) -> None:
    """Comment with each entry's own origin; a cookie need not be asked."""


def _problem(what: str, fix: str) -> InputError:
    return InputError((Diagnostic(code="FLD001", what=what, fix=fix),))
