"""What a person does inside a running lab: ``exec``, ``capture``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdn_lab.resident.client import Conversation

STANDARD = (0, 1, 2)
_ASKED_TO_END = 2  # the third ctrl-C is for the program that ignores two


def execute(words: argparse.Namespace) -> int:
    """Run a program in an instance or on a hypervisor; return its exit status."""
    from sdn_lab.resident.client import choose

    return run(choose(words.name), words.node, words.command, STANDARD)


def run(name: str, node: str, argv: Sequence[str], descriptors: Sequence[int]) -> int:
    """Run a program in the lab *name* on the given input, output and error.  ctrl-C goes to it."""
    from sdn_lab.resident.client import Conversation

    program = str(Path(argv[0]).absolute()) if "/" in argv[0] else argv[0]
    with Conversation(name) as asked, _forwarding(asked):
        asked.say(
            descriptors,
            op="execute",
            node=node,
            argv=[program, *argv[1:]],
            env=dict(os.environ),
            directory=str(Path.cwd()),
        )
        return int(asked.answer()["status"])


def capture(words: argparse.Namespace) -> int:
    """Write what passes some points of the lab into a file; ctrl-C ends it."""
    from sdn_lab.cli.verbs import writable
    from sdn_lab.resident.client import Conversation, choose

    writable(words.output)
    with words.output.open("wb") as file, Conversation(choose(words.name)) as asked:
        asked.say(
            [file.fileno()], op="capture", points=words.points, seconds=words.seconds, count=words.count
        )

        def stop(_number: int, _frame: FrameType | None) -> None:
            asked.say(stop=True)

        before = signal.signal(signal.SIGINT, stop)
        try:
            answer = asked.answer(notice=lambda text: print(f"sdn-lab: {text}", file=sys.stderr, flush=True))
        finally:
            signal.signal(signal.SIGINT, before)
    total = sum(answer["seen"].values())
    print(f"{words.output}: {total} frames, {answer['lost']} lost")
    for point, number in answer["seen"].items():
        print(f"  {point}: {number}")
    return 0


def shell(words: argparse.Namespace) -> int:
    """Mininet's words for a running lab, from a terminal or a pipe, until they end."""
    from sdn_lab.cli.shell import Shell
    from sdn_lab.resident.client import ask, choose

    name = choose(words.name)
    ask(name, "status")
    session = Shell(name, sys.stdin)
    session.cmdloop()
    return 0


@contextmanager
def _forwarding(asked: Conversation) -> Iterator[None]:
    """Send on what a person types to end a program: it is in another session than the terminal."""
    pressed = 0

    def forward(number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        asked.say(signal=number if pressed <= _ASKED_TO_END else signal.SIGKILL)

    before = {
        number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
