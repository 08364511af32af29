"""The report for CI systems: JUnit XML, one test case per claim and method.

========== ===================================================================================
violated   ``failure``
unknown    ``error``: no CI system paints it green
abstained  by every method: one case without a method, ``error``
not judged ``skipped``: no chosen method could have
disagree   a case of its own in suite ``agreement``, ``failure``
failed run a case of its own in suite ``run``, ``error``
========== ===================================================================================

Reference: the Apache Ant and Surefire schema, as far as Jenkins and GitLab both read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report, Status, Verdict
from sdn_lab.report.format import Format, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One test case; *outcome* is the child element's name, empty for a pass."""

    name: str
    outcome: str = ""
    type: str = ""
    message: str = ""
    text: str = ""
    seconds: float = 0.0


class JunitReporter(Format):
    """Writes one ``testsuite`` per claim kind."""

    name = "junit"

    def render(self, report: Report, scenario: Scenario | None) -> str:
        """Return the XML; *scenario* adds nothing to it."""
        del scenario
        suites = {name: list(cases) for name, cases in _suites(report).items()}
        every = [case for cases in suites.values() for case in cases]
        root = Element("testsuites", {"name": clean(f"sdn-lab {report.scenario}"), **_counts(every)})
        for name, cases in suites.items():
            classname = clean(f"{report.scenario}.{report.backend}.{name}")
            suite = SubElement(root, "testsuite", {"name": classname, **_counts(cases)})
            for case in cases:
                attributes = {
                    "classname": classname,
                    "name": clean(case.name),
                    "time": f"{case.seconds:.3f}",
                }
                element = SubElement(suite, "testcase", attributes)
                if case.outcome:
                    said = {"message": clean(case.message), "type": case.type}
                    SubElement(element, case.outcome, said).text = clean_lines(case.text or case.message)
        indent(root, " ")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def clean_lines(text: str) -> str:
    """Clean every line of a text, and keep the lines."""
    return "\n".join(clean(line) for line in text.split("\n"))


def _suites(report: Report) -> dict[str, list[_Case]]:
    suites: dict[str, list[_Case]] = {}
    judged: set[str] = set()
    for verdict in report.verdicts:
        judged.add(verdict.claim)
        suites.setdefault(verdict.kind.value, []).append(_case(verdict))
    for claim, status in report.summary.items():
        if claim not in judged:
            message = f"{status.value}: every method that could judge it abstained"
            case = _Case(name=claim, outcome="error", type=status.value, message=message)
            suites.setdefault(_kind(claim), []).append(case)
    for claim in report.not_judged:
        message = "no chosen method can judge it"
        case = _Case(name=claim, outcome="skipped", type="not judged", message=message)
        suites.setdefault(_kind(claim), []).append(case)
    for found in report.disagreements:
        name = f"{found.claim} [{found.between[0]} and {found.between[1]}]"
        case = _Case(name=name, outcome="failure", type="disagreement", message=found.what)
        suites.setdefault("agreement", []).append(case)
    if report.error:
        case = _Case(name="the run itself", outcome="error", type="failed", message=report.error)
        suites.setdefault("run", []).append(case)
    elif not report.summary:
        message = "nothing was judged"
        suites["run"] = [_Case(name="the run itself", outcome="error", type="unknown", message=message)]
    return suites


def _case(verdict: Verdict) -> _Case:
    outcome = {Status.VIOLATED: "failure", Status.UNKNOWN: "error"}.get(verdict.status, "")
    return _Case(
        name=f"{verdict.claim} [{verdict.method}]",
        outcome=outcome,
        type=verdict.status.value if outcome else "",
        message=verdict.reason or verdict.status.value,
        text="\n".join(_told(verdict)),
        seconds=verdict.ms / 1000 if math.isfinite(verdict.ms) else 0.0,
    )


def _told(verdict: Verdict) -> Iterable[str]:
    if verdict.reason:
        yield verdict.reason
    for found in verdict.differences:
        yield f"{found}  [{found.betrays}]" if found.betrays else str(found)
    witness = verdict.counterexample
    if witness is not None:
        yield f"{witness.src} -> {witness.dst}: {witness.packet}"
        yield f"packet: {witness.packet_hex}"
        for step in witness.path:
            yield f"{step.datapath} table {step.table}: {step.entry}  [{step.origin}]"


def _kind(claim: str) -> str:
    return claim.partition("/")[0]


def _counts(cases: Iterable[_Case]) -> dict[str, str]:
    held = list(cases)
    return {
        "tests": str(len(held)),
        "failures": str(sum(case.outcome == "failure" for case in held)),
        "errors": str(sum(case.outcome == "error" for case in held)),
        "skipped": str(sum(case.outcome == "skipped" for case in held)),
        "time": f"{sum(case.seconds for case in held):.3f}",
    }
