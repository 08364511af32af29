"""Conformance: what the embedded switch does against what others say that a switch does.

``python -m tests.conformance [SUITE ...] [--cases DIR]``.  Exit 0 where every supported case passes and, of
the usual cases, nothing is declared unsupported for nothing (`declared`), 1 where not, 5 where the cases are
not there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.conformance import ofconf, trace
from tests.conformance.case_files import NoCasesError, folder
from tests.conformance.declared import declared, judge, told


def _ofconf(cases: Path) -> tuple[str, bool]:
    reasons = declared(ofconf.NAME)
    judged = judge(ofconf.run(cases), reasons)
    text = told(ofconf.NAME, judged, reasons)
    if (cases / ofconf.OVS_FILE).exists():
        accepted, verdicts = ofconf.accepted_by_ovs(cases)
        supported = len(judged.passed) + len(judged.failed)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        text += f"\n  real Open vSwitch 3.1.0 passes {accepted} of them ({counts}); we support {supported}"
    return text, judged.ok or (cases != folder() and not judged.failed)


SUITES = {ofconf.NAME: _ofconf, trace.NAME: trace.judged}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("suite", nargs="*", help=f"of {', '.join(SUITES)} (default: all)")
    parser.add_argument("--cases", type=Path, default=folder(), metavar="DIR", help="where the files are")
    asked = parser.parse_args(arguments)
    unknown = set(asked.suite) - SUITES.keys()
    if unknown:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    ok = True
    for name in asked.suite or SUITES:
        try:
            text, passed = SUITES[name](asked.cases)
        except NoCasesError as fault:
            print(fault, file=sys.stderr)
            return 5
        print(text)
        ok = ok and passed
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
