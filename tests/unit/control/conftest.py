from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.control.dummy_ovs import DummyOvs


@pytest.fixture(scope="session")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    """One real Open vSwitch for all tests; each makes a bridge of its own."""
    switch = DummyOvs(tmp_path_factory.mktemp("ovs"))
    yield switch
    switch.stop()
