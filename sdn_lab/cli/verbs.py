"""One function a verb: words to stage calls to printed text.  Returns the exit code."""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sdn_lab.cli import papers
from sdn_lab.model.diagnostic import Diagnostic, InputError, SdnLabError
from sdn_lab.model.intent import Scenario


def run(words: argparse.Namespace) -> int:
    """The main job."""
    refuse_both(words)
    with _controller_ahead(words):
        return _run(words)


def _controller_ahead(words: argparse.Namespace) -> AbstractContextManager[None]:
    """Start the controller's process at once, where it will be wanted just so: it takes as long as we do."""
    from sdn_lab import process_ahead
    from sdn_lab.control import apps
    from sdn_lab.control.frameworks import FRAMEWORKS, command

    if words.backend != "sim":
        return nullcontext()
    try:
        app = apps.find(apps.REPLAY if words.flows is not None else words.controller or apps.DEFAULT)
        argv, env = command(app, FRAMEWORKS[words.ryu], "127.0.0.1", 0)
    except SdnLabError:  # said in its turn: what is wrong with the scenario comes first
        return nullcontext()
    return process_ahead.started(argv, env)


def _run(words: argparse.Namespace) -> int:
    from sdn_lab import lab
    from sdn_lab.cli.progress import Progress
    from sdn_lab.report import REPORTERS

    scenario = load_scenario(words.scenario, words.settings)
    papers.prepare(words.report)
    options = lab.Options(
        backend=words.backend,
        datapath=words.datapath,
        methods=words.methods,
        seed=words.seed,
        controller=words.controller or "overlay",
        flows=words.flows,
        pcap_dir=words.pcap_dir,
        ryu=words.ryu,
    )
    with Progress() as progress:
        report = lab.run(scenario, options, progress)
    REPORTERS["text"].print(report, scenario, sys.stdout)
    papers.write(words.report, report, scenario)
    return report.exit


def compile_(words: argparse.Namespace) -> int:
    """Write DIR/<hypervisor>.flows, commented with origins."""
    from sdn_lab.compiler import compile_scenario
    from sdn_lab.flows import write_program
    from sdn_lab.model.assignment import assign

    scenario = load_scenario(words.scenario, words.settings)
    program = compile_scenario(scenario, assign(scenario))
    for path, entries in write_program(scenario, program, words.output):
        print(f"{path}: {entries} flow entries")
    return 0


def validate(words: argparse.Namespace) -> int:
    """Check every file that was named; all problems of all of them."""
    problems: list[Diagnostic] = []
    for name in words.scenario:
        try:
            scenario = load_scenario(name)
        except InputError as error:
            problems.extend(error.diagnostics)
        else:
            print(f"{name}: {_size(scenario)}")
    if problems:
        raise InputError(tuple(problems))
    return 0


def schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of scenario files."""
    from sdn_lab.scenario import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def doctor(_: argparse.Namespace) -> int:
    """Say what this machine can run; 5 when something is missing for the mininet backend."""
    from sdn_lab import doctor as machine

    print("sim: runs here, it needs nothing but Python")
    findings = machine.examine()
    width = max(len(finding.need.name) for finding in findings)
    for finding in findings:
        need, found = finding.need, finding.found
        said = found if found is not None else f"MISSING: {need.missing}; {need.remedy}"
        print(f"  {need.name:<{width}}  {'for ' + ', '.join(need.backends):<12}  {need.what_for}: {said}")
    lacking = machine.lacking("mininet")
    print("mininet: " + ("runs here" if not lacking else f"{len(lacking)} things are missing"))
    return 5 if lacking else 0


def list_(_: argparse.Namespace) -> int:
    """List what ships."""
    from sdn_lab.control import apps
    from sdn_lab.scenario import find, load, shipped

    print("scenarios (sdn-lab run NAME):")
    for name in shipped():
        print(f"  {name:<18} {_size(load(find(name)))}")
    print("controllers (sdn-lab run SCENARIO --controller NAME):")
    for name in apps.names():
        print(f"  {name:<18} {_first_line(apps.find(name))}")
    return 0


def load_scenario(name: str, settings: Sequence[tuple[str, str]] = ()) -> Scenario:
    """Load a file, or a scenario that ships.  Raises InputError."""
    from sdn_lab.scenario import find, load

    path = find(name)
    here = Path(os.path.relpath(path))  # as a person would write it, in messages and in the report
    return load(min(path, here, key=lambda p: len(p.parts)), dict(settings))


def _size(scenario: Scenario) -> str:
    counts = {
        "tenants": len(scenario.tenants),
        "networks": len(scenario.networks),
        "ports": len(scenario.ports),
        "hypervisors": len(scenario.underlay.hypervisors),
    }
    return ", ".join(f"{n} {what if n != 1 else what[:-1]}" for what, n in counts.items())


def _first_line(app: Path) -> str:
    return (ast.get_docstring(ast.parse(app.read_text())) or "").partition("\n")[0]


def writable(path: Path) -> None:
    """Refuse a path to write to before the work is done, not after."""
    from sdn_lab.cli.arguments import usage_error

    if path.is_dir() or not path.resolve().parent.is_dir():
        raise usage_error(f"cannot write the report to '{path}'", fix="name a file in a folder that exists")


def refuse_both(words: argparse.Namespace) -> None:
    """Refuse ``--flows`` and ``--controller`` together."""
    from sdn_lab.cli.arguments import usage_error

    if words.flows is not None and words.controller is not None:
        raise usage_error(
            "--flows and --controller exclude each other",
            fix="with --flows the tables come from the folder, and no controller corrects them",
        )
