"""A program that is started before it is needed, because it takes its time to begin.

What
----
`started` starts a program for a block; whoever would `process.spawn` the same one within it asks `take` first
and gets the one that runs already.  What nobody took ends with the block.

Where it sits
-------------
Used by:    ``sdn-lab run`` on the simulator: the controller's process imports its framework while this one
            imports the lab and reads the scenario.  It says nothing and listens nowhere before it is told to.
Not here:   what runs in namespaces of its own (Mininet), and other programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sdn_lab import process

_waiting: list[tuple[list[str], dict[str, str], process.Spawned]] = []


@contextmanager
def started(argv: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """Start a program; end it behind the block, if nobody took it."""
    held = (list(argv), dict(env), process.spawn(argv, env=env))
    _waiting.append(held)
    try:
        yield
    finally:
        if held in _waiting:
            _waiting.remove(held)
            held[2].kill()


def take(argv: Sequence[str], env: Mapping[str, str]) -> process.Spawned | None:
    """Return a program that was started in just this way, which is the caller's from now on, or None."""
    for held in _waiting:
        if held[:2] == (list(argv), dict(env)):
            _waiting.remove(held)
            return held[2]
    return None
