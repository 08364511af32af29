"""A command with a lab, for the tests that kill it.  Run as a program: it exchanges frames until it dies.

Prints a JSON line for each step of the start, then one with its processes, then one for each window.  Ends
with status 6 and the LabError's sentence, or 0 when its standard input closes.
"""

import json
import os
import select
import sys

import hand_made

from sdn_lab.backends.mininet.backend import MininetBackend
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError

CONTROLLER = "import sys; sys.stdin.read()"  # lives until it is told to end


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main():
    wanted = hand_made.scenario()
    say(step="begin")
    with MininetBackend().start(
        wanted, assign(wanted), seed=0, progress=lambda what, done, total: say(step=what)
    ) as lab:
        controller = lab.spawn([sys.executable, "-c", CONTROLLER], dict(os.environ))
        hand_made.load(lab, wanted)
        say(processes=dict(lab.processes()))
        number = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            number += 1
            frame = hand_made.arp_reply("vm1", "vm3", number)
            seen = lab.exchange(
                hand_made.window([("port", "red/vm1", frame)], [("port", "red/vm3", number)], 300)
            )
            say(window=number, missing=len(seen.missing))
        controller.kill()


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        say(error=str(error))
        sys.exit(6)
