"""How a controller's process ended, in one sentence."""

from __future__ import annotations

import time

from sdn_lab.contracts import Child
from sdn_lab.process import ending

_REAPED_S = 2.0


def obituary(child: Child) -> str:
    """Return e.g. ``the controller was ended by SIGKILL``, with its last words.  Its pipe has closed."""
    deadline = time.monotonic() + _REAPED_S
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)  # its pipe closes an instant before it can be reaped
    status = child.poll()
    words = getattr(child, "last_words", lambda: "")().strip().splitlines()
    how = "closed its pipe" if status is None else ending(status)
    return f"the controller {how}" + (f": {words[-1].strip()}" if words else "")
