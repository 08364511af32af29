"""The verbs of a lab that stays: up, status, check, apply, link, node, down.  Returns the exit code."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from sdn_lab.cli import papers
from sdn_lab.model.diagnostic import LabError

if TYPE_CHECKING:
    from sdn_lab.lab.drift import Reverted

_DOWN_S = 40.0
_WATCH_S = 0.5


def up(words: argparse.Namespace) -> int:
    """Build a lab and leave it running."""
    from sdn_lab import lab
    from sdn_lab.cli.progress import Progress
    from sdn_lab.cli.verbs import load_scenario, refuse_both
    from sdn_lab.resident.birth import bring_up

    refuse_both(words)
    scenario = load_scenario(words.scenario, words.settings)
    options = lab.Options(
        backend=words.backend,
        datapath=words.datapath,
        seed=words.seed,
        controller=_from_anywhere(words.controller or "overlay"),
        flows=words.flows and words.flows.resolve(),
        mend=True,
        ryu=words.ryu,
    )
    name = words.name or scenario.name
    began = time.monotonic()
    with Progress() as progress:
        status = bring_up(name, scenario, options, progress)
    instances = sum(len(h["instances"]) for h in status["hypervisors"])
    print(
        f"{name} is up on {words.backend}, in {time.monotonic() - began:.1f} s: "
        f"{len(status['hypervisors'])} hypervisors, {instances} ports"
    )
    return 0


def _from_anywhere(controller: str) -> str:
    """Return a controller's name, or its path for a process that works elsewhere.  Raises InputError."""
    from sdn_lab.control import apps

    path = apps.find(controller)
    return controller if controller in apps.names() else str(path)


def status(words: argparse.Namespace) -> int:
    """Say what is up, and how it is."""
    from sdn_lab.cli.status import render
    from sdn_lab.resident.address import names
    from sdn_lab.resident.client import ask, choose

    if words.watch:
        return _watch(choose(words.name))
    chosen = names() if words.name is None else (words.name,)
    told = [ask(name, "status")["status"] for name in chosen]
    if not told:
        print("no lab is up")
    for number, one in enumerate(told):
        print(("\n" if number else "") + render(one), end="")
    if words.report is not None:
        words.report.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 6 if any(one["state"] in {"failed", "closed"} for one in told) else 0


def _watch(name: str) -> int:
    """Print the status, then a line for everything that changes, until interrupted or the lab ends."""
    from sdn_lab.cli.status import changes, render
    from sdn_lab.resident.client import ask

    before: dict[str, Any] = ask(name, "status")["status"]
    print(render(before), end="", flush=True)
    try:
        while True:
            time.sleep(_WATCH_S)
            now = ask(name, "status")["status"]
            for line in changes(before, now):
                print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
            before = now
    except KeyboardInterrupt:
        return 0


def check(words: argparse.Namespace) -> int:
    """Judge the lab as it is now."""
    from sdn_lab.cli.progress import Progress
    from sdn_lab.report import REPORTERS
    from sdn_lab.resident.client import ask, choose
    from sdn_lab.resident.values import loads

    papers.prepare(words.report)
    lab = choose(words.name)
    with Progress() as progress:
        reverted = ask(lab, "revert", progress) if words.revert else None
        answer = ask(lab, "check", progress, methods=words.methods)
    if reverted is not None:
        _tell(loads(reverted["frames"][0]))
    report, scenario = (loads(frame) for frame in answer["frames"])
    REPORTERS["text"].print(report, scenario, sys.stdout)
    papers.write(words.report, report, scenario)
    return int(report.exit)


def _tell(reverted: Reverted) -> None:
    """Say what was put right, and what could not be."""
    from sdn_lab.report.format import clean

    if reverted.untold:
        print(clean(f"reverted: every datapath; it cannot be told from what: {reverted.untold}"))
    elif not reverted.undone and not reverted.left:
        print("nothing to revert: every datapath holds what it should")
    for what, differences in (("reverted", reverted.undone), ("not reverted", reverted.left)):
        for difference in differences:
            betrayed = f" ({difference.betrays})" if difference.betrays else ""
            print(f"{what}: {clean(f'{difference}{betrayed}')}")
    print()


def apply(words: argparse.Namespace) -> int:
    """Change a running lab to another scenario."""
    from sdn_lab.cli.progress import Progress
    from sdn_lab.cli.verbs import load_scenario
    from sdn_lab.resident.client import ask, choose
    from sdn_lab.resident.values import dumps, loads

    scenario = load_scenario(words.scenario, words.settings)
    with Progress() as progress:
        answer = ask(choose(words.name), "apply", progress, frames=[dumps(scenario)])
    print(loads(answer["frames"][0]))
    return 0


def link(words: argparse.Namespace) -> int:
    """Cut or mend a link of the underlay."""
    from sdn_lab.resident.client import choose

    tell_link(choose(words.name), (words.one, words.other), up=words.state)
    return 0


def tell_link(lab: str, between: tuple[str, str], *, up: bool) -> None:
    """Have a link cut, or mended, and say how the underlay is then."""
    from sdn_lab.cli.progress import Progress
    from sdn_lab.cli.status import underlay_lines
    from sdn_lab.report.format import clean
    from sdn_lab.resident.client import ask

    with Progress() as progress:
        told = ask(lab, "link", progress, between=between, up=up)
    if up:
        print(clean(f"{' - '.join(told['between'])} carries"))
    for line in underlay_lines(told):
        print(clean(line))


def node(words: argparse.Namespace) -> int:
    """Have a node of the underlay fail, or come back."""
    from sdn_lab.resident.client import choose

    tell_node(choose(words.name), words.node, up=words.state)
    return 0


def tell_node(lab: str, name: str, *, up: bool) -> None:
    """Have a node fail, or come back, and say how the underlay is then."""
    from sdn_lab.cli.progress import Progress
    from sdn_lab.cli.status import underlay_lines
    from sdn_lab.report.format import clean
    from sdn_lab.resident.client import ask

    with Progress() as progress:
        told = ask(lab, "node", progress, node=name, up=up)
    if up:
        print(clean(f"{name} is back"))
    elif not told["whole"]:
        print(
            clean(
                f"{name} is cut off; its own instances still reach one another: this backend cannot stop it"
            )
        )
    for line in underlay_lines(told):
        print(clean(line))


def down(words: argparse.Namespace) -> int:
    """End a lab, or all; return when nothing is left of it."""
    from sdn_lab.resident.address import names
    from sdn_lab.resident.client import choose

    if not words.all:
        _down(choose(words.name))
        return 0
    up_now = names()
    for name in up_now:
        _down(name)
    if not up_now:
        print("no lab is up")
    return 0


def _down(name: str) -> None:
    from sdn_lab.resident.client import Conversation
    from sdn_lab.resident.gone import Family

    with Conversation(name) as asked, Family(asked.pid) as family:
        note = ""
        try:
            asked.say(op="down")
            note = asked.answer()["note"]
        except LabError:
            pass  # it was killed meanwhile: so much the better, and what is below it follows
        if not family.wait(_DOWN_S):
            family.kill()
            if not family.wait(_DOWN_S):
                raise LabError(f"the processes of {name} have not ended, though they were killed")
    print(f"{name} is down")
    if note:
        print(f"  it had failed before: {note}", file=sys.stderr)
