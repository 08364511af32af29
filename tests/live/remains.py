"""What of a lab exists on this machine, seen from outside."""

import os
import subprocess
import time
from pathlib import Path

KINDS = ("pid", "net", "mnt")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def namespaces_of(pid):
    """Return the namespaces of a process, or nothing if it is gone."""
    try:
        return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in KINDS}
    except OSError:
        return set()


def living():
    """Return the pids of all processes that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state not in "ZX":
                found.append(int(entry.name))
    return found


def below(pid):
    """Return *pid* and its living descendants."""
    parents = {}
    for child in living():
        try:
            stat = Path(f"/proc/{child}/stat").read_text()
        except OSError:
            continue
        parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(child)
    found, waiting = [], [pid]
    while waiting:
        at = waiting.pop()
        found.append(at)
        waiting += parents.get(at, [])
    return found


def born(pid):
    """Return when a process began, by CLOCK_BOOTTIME, or None if it is gone or a zombie."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if told[0] in "ZX" else int(told[19]) * TICK_S


def now():
    """Return the time on the clock of `born`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def survivors(namespaces, killed_at):
    """Return the processes in *namespaces* that are not younger than *killed_at*.

    The kernel gives a namespace's number away again once it is gone: a younger process is somebody else's.
    """
    found = []
    for pid in living():
        began = born(pid)
        if began is not None and began <= killed_at and namespaces_of(pid) & namespaces:
            found.append(pid)
    return found


class Traces:
    """What was seen of a lab below one process: processes, and namespaces that are not ours."""

    def __init__(self, pid):
        self.processes, self.namespaces = set(), set()
        self._pid = pid
        self._home = namespaces_of(os.getpid()) | namespaces_of(pid)
        self._ended_at = None

    def look(self):
        """Remember what there is now, and return the pids, that of the first one first."""
        pids = below(self._pid)
        for pid in pids:
            self.processes.add((pid, born(pid)))
            self.namespaces |= namespaces_of(pid) - self._home
        return pids

    def ended(self):
        """From now on nothing of it may begin: it is about to be killed, or has been seen to end."""
        self._ended_at = now()

    def left(self):
        """Return the pids of what is left of it."""
        known = {pid for pid, began in self.processes if began is not None and born(pid) == began}
        return sorted(known | set(survivors(self.namespaces, self._ended_at)))

    def assert_gone(self, limit_s=20.0):
        """Wait until nothing is left; return how many milliseconds after its end that was."""
        assert self.processes, "the test saw no process of the lab"
        deadline = time.monotonic() + limit_s
        while left := self.left():
            assert time.monotonic() < deadline, f"left: {[(p, command_line(p)) for p in left]}"
            os.sched_yield()
        return (now() - self._ended_at) * 1000


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def visible():
    """Return what ``ip netns``, ``ip link``, /tmp and /run show of labs: names only."""
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True, timeout=10)
    netns = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True, timeout=10)
    shown = {f"link {line.split()[0]}" for line in links.stdout.splitlines()}
    shown |= {f"netns {line.split()[0]}" for line in netns.stdout.splitlines()}
    shown |= {f"file {p}" for p in Path("/run").iterdir()}
    shown |= {f"file {p}" for p in Path("/tmp").glob("*sdn-lab*")}  # noqa: S108
    return shown


def until(condition, what, limit_s=10.0):
    deadline = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, what
        os.sched_yield()
