"""Point integration bridges at a controller, and wait until they are connected to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sdn_lab.backends.mininet.ovs import OpenVSwitch
from sdn_lab.model.diagnostic import LabError
from sdn_lab.tls import Identity

_POLL_S = 0.02


def connect(
    switches: Mapping[str, OpenVSwitch],
    target: str,
    identities: Mapping[str, Identity],
    timeout_s: float,
    check: Callable[[], None],
) -> None:
    """Point every switch at *target*, under its own identity if it has one, and wait until it is connected.

    One that points there already tries again by itself.  Raises LabError; *check* does if the lab died.
    """
    waiting = [name for name, switch in switches.items() if not switch.points_to(target)]
    for name in waiting:
        switches[name].set_controller(target, identities.get(name))
    deadline = time.monotonic() + timeout_s
    while waiting:
        check()
        waiting = [name for name in waiting if not switches[name].connected()]
        if waiting and time.monotonic() > deadline:
            raise LabError(
                f"{', '.join(waiting)} did not connect to the controller at {target} within {timeout_s:g} s"
            )
        time.sleep(_POLL_S)
