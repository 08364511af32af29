"""Linux namespaces and mounts, by the system calls that Python 3.11 does not offer.

Used by the lab daemon only.  `inside` changes the calling *thread*; programs that the thread starts
meanwhile are inside, too.

Reference: unshare(2), setns(2), mount(2), network_namespaces(7), pid_namespaces(7), user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
LAB = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move the caller into new namespaces; a new pid namespace begins with its next child."""
    _checked(_libc.unshare(flags), "unshare")


def unshare_lab() -> None:
    """Move the caller into a lab's new namespaces; without root, into a user namespace that owns them.

    There the caller is root, over nothing else.  Raises OSError where the kernel forbids it.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(LAB)
        return
    unshare(LAB | CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")  # user_namespaces(7): before gid_map
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def settle_in() -> None:
    """Give the first process of a lab its own /proc and an empty /run, seen by nobody else."""
    _mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    _mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)
    _mount(b"tmpfs", b"/run", b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755")


@contextmanager
def inside(pid: int) -> Iterator[None]:
    """Put the calling thread into the network namespace of process *pid*, and back."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(there, CLONE_NEWNET), "setns")
        finally:
            os.close(there)
        try:
            yield
        finally:
            _checked(_libc.setns(home, CLONE_NEWNET), "setns")
    finally:
        os.close(home)


def sysctl(name: str, value: int) -> None:
    """Set ``net/...`` in the network namespace that the calling thread is inside of."""
    Path("/proc/sys", name).write_text(str(value))


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None) -> None:
    _checked(_libc.mount(source, target, kind, ctypes.c_ulong(flags), data), f"mount {target.decode()}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
