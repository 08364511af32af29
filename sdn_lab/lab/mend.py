"""Put right what dies in a lab that lives on: start the controller again, and say what was mended and when.

What
----
A `Mender` is a thread.  The controller wakes it when its process dies or a datapath leaves; it starts the
process again at the same address, waits until every datapath holds what it should, and writes down what it
was and how long it took.  Datapaths are restarted by the backend itself (`RunningLab.outlive`).

Where it sits
-------------
Used by:    `Lab`, with ``Options.mend``.  Without, as in `run`, whatever dies fails the lab (exit 6).

Why nothing opens
-----------------
A datapath without a controller keeps its tables (fail mode ``secure``); the new controller dumps them, and
finds nothing to change.  A datapath that was restarted is empty, and closed, until the controller has pushed.

Invariants
----------
1.  What cannot be put right, or not within `CONFIRM_MS`, fails the lab: the next call that waits raises it.
2.  The thread lives as long as the lab: the simulator's controller would die with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.mended import Mended

if TYPE_CHECKING:
    from sdn_lab.lab.living import Lab

CONFIRM_MS = 60_000
_TRIES = 5
_NOTICE_S = 1.0
_AWAY = "the controller, or a datapath's connection to it, was lost while the lab was checked"


class Mender:
    """Mends one lab from `start` to `stop`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._woken = threading.Event()
        self._ending = False
        self.alarms = 0
        """How often the controller died, or a datapath left it."""
        self._mended: list[Mended] = []
        self._restarted = 0  # of the backend's, how many are in ours
        self._thread = threading.Thread(target=self._run, name="mender", daemon=True)

    def start(self) -> None:
        """Begin, once the lab is up."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is mended from now on.  Idempotent."""
        self._ending = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def notice(self) -> None:
        """Look after the lab now.  The controller calls it, and must not be kept waiting."""
        self.alarms += 1
        self._woken.set()

    def mended(self) -> Sequence[Mended]:
        """Return what was put right so far, in the order in which it died."""
        restarted = self._lab.backend.mended()[self._restarted :]
        return sorted((*self._mended, *restarted), key=lambda m: m.at)

    def _run(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            if self._ending:
                return
            try:
                self._mend()
            except LabError as error:
                if not self._ending:
                    self._lab.controller.fail(f"the lab could not be mended: {error}")
                return

    def _mend(self) -> None:
        """Return once controller and datapaths are what they should be."""
        controller, at, died = self._lab.controller, time.time(), list[str]()
        while not controller.whole():
            if controller.dead is not None:
                died.append(controller.dead)
                if len(died) > _TRIES:
                    raise LabError(f"{died[-1]}, {len(died)} times in a row")
                self._restart()
            controller.await_whole(timeout_ms=CONFIRM_MS)
        ms = (time.time() - at) * 1000
        restarted = self._lab.backend.mended()[self._restarted :]
        self._restarted += len(restarted)
        if restarted:
            self._lab.backend.outlive()  # a switch that is new does not know
        self._mended += [Mended(what=what, at=at, ms=ms) for what in died]
        self._mended += [Mended(what=m.what, at=m.at, ms=(at - m.at) * 1000 + ms) for m in restarted]

    def _restart(self) -> None:
        """Start the controller again, and have the datapaths connected; it may die meanwhile."""
        lab, controller = self._lab, self._lab.controller
        try:
            controller.restart()
            lab.backend.connect(controller.host, controller.l4_port, controller.settle, lab.identities)
        except LabError:
            if not controller.died_within(_NOTICE_S):
                raise


class Controlled:
    """Whether the controller was there from now on: what it does to packets is a part of what is judged.

    A controller that pushes leaves its entries to the datapaths, and no packet waits for it.  One that
    answers packets is needed by every packet that it has not answered before; while it is away a leak may be
    closed through which others would pass, and the markers still arrive.
    """

    def __init__(self, lab: Lab, mender: Mender) -> None:
        self._lab, self._mender = lab, mender
        self._alarms, self._whole = mender.alarms, lab.controller.whole()

    def lost(self) -> str:
        """Say that the controller was away, in words for a report; empty if it never was.

        Raises LabError if it cannot be put right.
        """
        controller = self._lab.controller
        if not self._lab.steady:
            controller.settle()  # who has died a moment ago is known to have then
        away = not self._whole or self._mender.alarms != self._alarms or not controller.whole()
        return _AWAY if away else ""
