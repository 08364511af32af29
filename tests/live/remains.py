"""What of a lab exists on this machine, seen from outside."""

import os
import subprocess
import time
from pathlib import Path

KINDS = ("pid", "net", "mnt")


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


def survivors(namespaces, killed_at):
    """Return the processes in *namespaces* that are older than *killed_at* (CLOCK_BOOTTIME).

    The kernel gives a namespace's number away again once it is gone: a younger process is somebody else's.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    found = []
    for pid in living():
        try:
            born = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / ticks
        except OSError:
            continue
        if born <= killed_at and namespaces_of(pid) & namespaces:
            found.append(pid)
    return found


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
