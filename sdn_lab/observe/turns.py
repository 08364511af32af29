"""Let work take turns at the lab: while it carries one window, what the one before saw is read.

What
----
A piece of work is a generator that yields windows and is sent what they saw (`Steps`).  `take_turns` runs
many, `AT_ONCE` of them at a time, each in its own order.  The lab has one window at a time, and its next one
waiting.

Invariant: which window follows which depends on the windows and on what they saw, never on how long anything
took.

Why a thread: the wait for a lab is a wait for another process.  All reading stays in the caller's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from sdn_lab.contracts import Exchange
from sdn_lab.model.observation import Captured, Window

AT_ONCE = 2  # one window is out, one is read
T = TypeVar("T")
Steps = Generator[Window, Captured, T]


def take_turns(exchange: Exchange, works: Iterable[Steps[T]]) -> list[T]:
    """Run *works* to their ends; return what they return, in order.

    Raises what any of them raises, or the lab.
    """
    results: dict[int, T] = {}
    out: deque[tuple[int, Steps[T], Future[Captured]]] = deque()
    waiting = enumerate(works)
    lab = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exchange")

    def go_on(number: int, work: Steps[T], seen: Captured | None) -> None:
        try:
            window = work.send(seen)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            results[number] = end.value
            begin(1)
        else:
            out.append((number, work, lab.submit(exchange.exchange, window)))

    def begin(most: int) -> None:
        for number, work in islice(waiting, most):
            go_on(number, work, None)

    try:
        begin(AT_ONCE)
        while out:
            number, work, future = out.popleft()
            go_on(number, work, future.result())
    finally:
        lab.shutdown(wait=False, cancel_futures=True)  # a lab that hangs is ended by its owner
    return [results[number] for number in sorted(results)]
