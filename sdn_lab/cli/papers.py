"""What a command writes to files: reports, pictures.  Whether it can is asked before the work, not after."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report

_FOLDERS = frozenset({"png"})  # formats that write several files


def graph(words: argparse.Namespace) -> int:
    """Draw the topology of a scenario."""
    from sdn_lab.cli.arguments import usage_error
    from sdn_lab.cli.verbs import load_scenario, writable
    from sdn_lab.report import plots

    if words.output.suffix not in plots.SUFFIXES:
        allowed = " or ".join(plots.SUFFIXES)
        raise usage_error(f"'{words.output}' is no name for a picture", fix=f"end it in {allowed}")
    writable(words.output)
    figure = plots.topology(load_scenario(words.scenario, words.settings))
    plots.save(figure, words.output)
    print(words.output)
    return 0


def prepare(wanted: Sequence[tuple[str, Path]]) -> None:
    """Refuse what cannot be written: no such folder, a picture without what draws it."""
    from sdn_lab.cli.arguments import usage_error
    from sdn_lab.cli.verbs import writable
    from sdn_lab.report import plots

    for name, path in wanted:
        if name not in _FOLDERS:
            writable(path)
            continue
        if (path.exists() and not path.is_dir()) or not path.resolve().parent.is_dir():
            raise usage_error(
                f"cannot write pictures into '{path}'", fix="name a folder, or a new one in a folder"
            )
        plots.ready()


def write(wanted: Sequence[tuple[str, Path]], report: Report, scenario: Scenario) -> None:
    """Write the report in every wanted format."""
    from sdn_lab.report import WRITERS

    for name, path in wanted:
        WRITERS[name].write(report, scenario, path)
