"""Rules of the whole suite.

``SDN_LAB_REQUIRE=live`` (CI sets it, after it has installed everything) turns every skip into a failure: what
could have been installed must not be left out in silence.  `HYPOTHESIS` examples are drawn the same way
every time in CI, so that a red run can be repeated.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("here", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("SDN_LAB_REQUIRE"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and SDN_LAB_REQUIRE allows no skip: {report.longrepr[-1]}"
