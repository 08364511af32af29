"""Instances that answer, for as long as somebody asks.

All of a lab's instances are awake then, since another tenant's may be the one that answers.  But each is
woken only when a frame reaches it: of thousands most sleep on, and nobody can tell the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sdn_lab.backends.sim.instance import Instance
from sdn_lab.backends.sim.network import Network


@contextmanager
def awake(network: Network, who: Iterable[Instance], service: tuple[int, int] | None) -> Iterator[None]:
    """Let every instance hear for the block, having forgotten everything, with *service* open.

    *who* are woken at once: those that send, and those that will be asked what they did.
    """
    woken: dict[int, Instance] = {}

    def wake(instance: Instance) -> None:
        if id(instance) not in woken:
            woken[id(instance)] = instance
            instance.deaf = False
            instance.forget()
            if service is not None:
                instance.listening.add(service)

    for instance in who:
        wake(instance)
    network.wake = wake
    try:
        yield
    finally:
        network.wake = None
        for instance in woken.values():
            instance.deaf = True
            instance.listening.clear()
