"""Live tests need real Open vSwitch.  They name what is missing, and fail with SDN_LAB_REQUIRE=live."""

import os
import sys
from pathlib import Path

import pytest

from sdn_lab.doctor import lacking

sys.path.insert(0, str(Path(__file__).parent))

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    mine = [item for item in items if HERE in item.path.parents]
    needs = lacking("mininet") if mine else ()
    for item in mine:
        item.add_marker(pytest.mark.live)
        if needs:
            item.add_marker(pytest.mark.usefixtures("_apparatus"))


@pytest.fixture(scope="session")
def _apparatus():
    sentences = "; ".join(f"{n.missing} ({n.remedy})" for n in lacking("mininet"))
    (pytest.fail if "live" in os.environ.get("SDN_LAB_REQUIRE", "").split(",") else pytest.skip)(sentences)
