"""Packets without a pause, from programs inside the instances, whatever becomes of the lab's own processes.

What
----
A `Siege` starts a program in every instance that is to send.  Each sends its frames in turn, so many a
second, and makes up for a time in which it was not given the processor.  All tenants' ports are overheard:
what they send is counted where it leaves, with the kernel's own time; what arrives is held against who may
get it.

Why not the exchange
--------------------
The lab daemon puts an exchange's frames in, and it is the same process, and thread, that restarts a switch
and moves an instance: in the very moment that matters nothing would be sent.  These programs do not wait for
it, and neither do the sockets that hear them.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from select import POLLIN, poll

from sdn_lab.backends.mininet.hearing import MARK
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import NONCE_MAGIC, PointKind, WatchPoint, Window

RATE = 2000  # a second, all together; a check that needs 1,000 then stands on a busy machine too
VARIANTS = 64  # of each order's frames: few, so that trackers do not fill up
_OURS = NONCE_MAGIC + b"\xaa"
NOTHING = Window(injections=(), timeout_ms=0)
_QUIET_MS, _REST_S = 100, 10.0

SENDER = """
import json, select, socket, sys, time
told = json.loads(sys.stdin.readline())
frames, rate = [bytes.fromhex(frame) for frame in told["frames"]], told["rate"]
[interface] = [name for _, name in socket.if_nameindex() if name != "lo"]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, told["mark"])
out.bind((interface, 0))
began, done = time.monotonic(), 0
while not select.select([sys.stdin], [], [], 0.005)[0]:
    due = int((time.monotonic() - began) * rate)
    for number in range(done, due):
        try:
            out.send(frames[number % len(frames)])
        except OSError:
            pass  # the link is down, or its queue full: only what leaves is counted, by who overhears it
    done = due
"""
_RUN = sys.executable, "-u", "-c", SENDER


@dataclass(frozen=True, kw_only=True)
class Order:
    """Frames that the instance of port *src* sends, and who may get them: *dst*, or nobody.

    *make* makes one, given a nonce and a number below `VARIANTS`.
    """

    what: str
    src: str
    dst: str | None
    make: Callable[[bytes, int], bytes]

    def __str__(self):
        return f"{self.what} from {self.src}"


class Siege:
    """A context: orders are carried out from entering to leaving it."""

    def __init__(self, lab, orders, rate=RATE):
        self.orders, self._rate = tuple(orders), rate
        self.sent, self.arrived = Counter(), Counter()
        self.leaks = Counter()  # sentences
        self.lost, self.seconds = 0, 0.0
        self._gaps = {}  # (source or destination and its order): last time, longest gap; in ns
        self._lab, self._ending, self._held = lab, threading.Event(), ExitStack()
        self._failure, self._waiting, self._senders = None, poll(), []

    def __enter__(self):
        with self._held:
            points = [WatchPoint(kind=PointKind.PORT, name=p.path) for p in self._lab.scenario.ports]
            self._ears = self._lab.backend.listen(points)
            self._held.callback(self._ears.close)
            for descriptor in self._ears.filenos():
                self._waiting.register(descriptor, POLLIN)
            sources = list(dict.fromkeys(order.src for order in self.orders))
            self._senders = [self._lab.backend.spawn_at(source, _RUN) for source in sources]
            for sender in self._senders:
                self._held.callback(sender.kill)
            self._lab.backend.exchange(NOTHING)  # kernels neither hear nor answer
            for sender, source in zip(self._senders, sources, strict=True):
                sender.stdin.write(f"{self._told(source, self._rate / len(sources))}\n")
            self._listener = threading.Thread(target=self._listen, name="siege")
            self._listener.start()
            self._held.callback(self._stop)
            self._began = time.monotonic()
            self.until(lambda: all(self.sent[o] for o in self.orders), "not everything is sent")
            self._held = self._held.pop_all()
        return self

    def __exit__(self, *_):
        self._held.close()
        assert self._failure is None, self._failure

    def until(self, condition, what, limit_s=60.0):
        """Go on until *condition*; AssertionError with *what* after *limit_s*, or at once for a leak."""
        deadline = time.monotonic() + limit_s
        while not condition():
            self.assert_closed()
            assert time.monotonic() < deadline, what
            assert self._failure is None, self._failure
            self._ending.wait(0.01)

    def assert_closed(self):
        """Nothing arrived anywhere that should not; and nothing was missed that might have."""
        assert not self.leaks, dict(self.leaks)
        assert self.lost == 0, f"{self.lost} frames were not heard"

    @property
    def rate(self):
        """What nobody may get, packets a second."""
        return self.denied / self.seconds

    @property
    def denied(self):
        """How many packets were sent that nobody may get."""
        return sum(self.sent[o] for o in self.orders if o.dst is None)

    def __str__(self):
        silent = max(self._longest(order.src) for order in self.orders)
        denied = (
            f"{self.denied} denied packets sent, {self.rate:.0f} a second, no sender silent for more than "
            f"{silent:.0f} ms; {self.leaks.total()} arrived"
        )
        allowed = [
            f"  {o} (allowed): {self.sent[o] - self.arrived[o]} of {self.sent[o]} lost, "
            f"at most {self._longest(o):.0f} ms without one"
            for o in self.orders
            if o.dst is not None
        ]
        return "\n".join([denied, *allowed])

    def _longest(self, what):
        return self._gaps[what][1] / 1e6 if what in self._gaps else 0.0

    def _told(self, source, rate):
        """What the program at *source* is told to send: its orders in turn, then their next variants."""
        own = [(number, order) for number, order in enumerate(self.orders) if order.src == source]
        frames = [
            order.make(_OURS + number.to_bytes(7), variant).hex()
            for variant in range(VARIANTS)
            for number, order in own
        ]
        return json.dumps({"rate": rate, "mark": MARK, "frames": frames})

    def _stop(self):
        """Let nothing be sent any more, and hear the rest."""
        self.seconds = time.monotonic() - self._began
        for sender in self._senders:
            sender.kill()
        self._ending.set()
        self._listener.join()
        if self._failure is None:
            deadline = time.monotonic() + _REST_S
            while self._hear() and time.monotonic() < deadline:
                self._waiting.poll(_QUIET_MS)
            while self._lab.backend.exchange(NOTHING).captures and time.monotonic() < deadline:
                pass  # it has heard all this too, and whoever exchanges next does not want it

    def _listen(self):
        try:
            while not self._ending.is_set():
                self._waiting.poll(_QUIET_MS)
                self._hear()
        except LabError as error:
            self._failure = str(error)

    def _hear(self):
        """Take in what was overheard; say whether there was anything."""
        overheard = self._ears.frames()
        for seen in overheard:
            at = seen.frame.find(_OURS)
            if at < 0:
                continue
            order = self.orders[int.from_bytes(seen.frame[at + len(_OURS) :][:7])]
            if seen.sent:
                self.sent[order] += 1
                self._mark(order.src, seen.at_ns)
            elif order.dst is None or seen.point.name != order.dst:
                self.leaks[f"{order} arrived at {seen.point}"] += 1
            else:
                self.arrived[order] += 1
                self._mark(order, seen.at_ns)
        self.lost += self._ears.lost()
        return bool(overheard)

    def _mark(self, what, at_ns):
        last, longest = self._gaps.get(what, (at_ns, 0))
        self._gaps[what] = at_ns, max(longest, at_ns - last)
