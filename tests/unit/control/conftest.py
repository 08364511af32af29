from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.unit.control.dummy_ovs import DummyOvs


@pytest.fixture(scope="session")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    """One real Open vSwitch for all tests; each makes a bridge of its own."""
    if shutil.which("ovs-vswitchd") is None:
        pytest.skip("Open vSwitch's programs are missing: apt install openvswitch-switch")
    switch = DummyOvs(tmp_path_factory.mktemp("ovs"))
    yield switch
    switch.stop()
