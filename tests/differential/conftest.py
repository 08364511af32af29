"""Fixtures of the differential tests: real Open vSwitch, or a skip that names what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import ovs_oracle, ovs_process, switch_oracle


@pytest.fixture(scope="session")
def ovs() -> Iterator[None]:
    """Open vSwitch's programs are there; every vswitchd of the pool ends with the session."""
    absent = ovs_process.missing()
    if absent is not None:
        pytest.skip(absent)
    yield
    ovs_oracle.close_pool()


@pytest.fixture(scope="session")
def vswitch(ovs: None) -> Iterator[ovs_process.Vswitch]:
    """One vswitchd with bridge ``br0`` and ports ``p1`` to ``p6`` (OpenFlow 1 to 6), for small tables."""
    switch = ovs_process.Vswitch({"br0": "0e:00:00:00:ff:00"})
    try:
        switch.add_ports("br0", {f"p{n}": n for n in range(1, 7)})
        yield switch
    finally:
        switch.close()


@pytest.fixture(scope="session")
def oracle(ovs: None) -> Iterator[switch_oracle.Oracle]:
    """A vswitchd that caches no flow and whose clock stands still, for the switch suite."""
    made = switch_oracle.Oracle()
    try:
        yield made
    finally:
        made.close()
