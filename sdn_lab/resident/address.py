r"""Where a resident is found: an abstract Unix socket, ``\0sdn-lab/<uid>/<name>``.

Invariants
----------
1.  Nothing is on disk, so nothing can be left over, by ``kill -9`` either: the kernel forgets the address
    with the last process that has the socket open, and only the resident ever has.
2.  Binding is the lock on a name.
3.  Anybody may bind or connect to an abstract socket, so both ends look at who the other is (SO_PEERCRED): a
    resident answers its own user and root, a command believes a resident of its own user alone.

Reference: unix(7), "Abstract sockets", SO_PEERCRED; proc(5), /proc/net/unix.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path

from sdn_lab.model.diagnostic import Diagnostic, InputError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_LISTENING = 0x10000  # __SO_ACCEPTCON, in the flags of /proc/net/unix
_CREDENTIALS = struct.Struct("=iII")
_WAITING = 64


def check_name(name: str) -> None:
    """Raise InputError if a lab cannot be called so."""
    if not _NAME.fullmatch(name):
        raise _unusable(
            "USE003",
            f"'{name}' cannot be the name of a lab",
            "up to 64 letters, digits, dots, hyphens and underscores, the first no dot or hyphen",
        )


def take(name: str) -> socket.socket:
    """Take a name: return its listening socket.  Raises InputError if a lab has it already."""
    check_name(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(_address(name))
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise _unusable(
            "USE004",
            f"there is a lab with the name '{name}' already",
            f"take it down (`sdn-lab down --name {name}`), or give this one another (`--name`)",
        ) from error
    return listener


def reach(name: str) -> socket.socket:
    """Return a socket connected to the resident of that name.  Raises InputError if there is none of ours."""
    check_name(name)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(_address(name))
        if peer(sock)[1] != os.geteuid():
            raise ConnectionRefusedError
    except OSError as error:
        sock.close()
        raise nobody(f"there is no lab with the name '{name}'") from error
    return sock


def nobody(what: str) -> InputError:
    """Return the error for a lab that is not there; it says which are."""
    up = names()
    fix = f"up are: {', '.join(up)}" if up else "no lab is up; `sdn-lab up SCENARIO` starts one"
    return _unusable("USE005", what, fix)


def names() -> tuple[str, ...]:
    """Return the names of this user's labs, sorted."""
    prefix = f"@sdn-lab/{os.geteuid()}/"
    found = set()
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & _LISTENING and fields[7].startswith(prefix):
            found.add(fields[7].removeprefix(prefix))
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def peer(sock: socket.socket) -> tuple[int, int]:
    """Return the process id and the user id of the other end."""
    told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(told)
    return pid, uid


def _address(name: str) -> bytes:
    return f"\0sdn-lab/{os.geteuid()}/{name}".encode()


def _unusable(code: str, what: str, fix: str) -> InputError:
    return InputError((Diagnostic(code=code, what=what, fix=fix),))
