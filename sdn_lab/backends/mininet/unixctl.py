"""Ask ``ovs-vswitchd`` through its control socket: what ``ovs-appctl`` does, without a program for each word.

JSON-RPC 1.0 on a Unix stream socket, one object after the other.

Reference: ovs-appctl(8); Open vSwitch 3.1.0, ``lib/unixctl.c``; RFC 7047, section 4 (the same framing).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdn_lab.model.diagnostic import LabError

_ANSWER_S = 15.0
_CHUNK = 1 << 16

Answer = tuple[str, bool]
"""What it said, and whether it did what was asked."""


def ask(path: Path, commands: Sequence[Sequence[str]]) -> Iterator[Answer]:
    """Give *commands* one after the other; yield what came of each.  Raises LabError if nobody answers."""
    decoder = json.JSONDecoder()
    held = ""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_ANSWER_S)
            sock.connect(str(path))
            for number, (method, *params) in enumerate(commands):
                asked: dict[str, Any] = {"id": number, "method": method, "params": params}
                sock.sendall(json.dumps(asked).encode())
                while True:
                    try:
                        answer, end = decoder.raw_decode(held.lstrip())
                    except ValueError:
                        held += _more(sock)
                        continue
                    held = held.lstrip()[end:]
                    break
                error = answer["error"]
                yield (answer["result"] or "", True) if error is None else (str(error).strip(), False)
    except (OSError, KeyError, TypeError) as error:
        raise LabError(f"ovs-vswitchd does not answer at {path.name}: {error}") from error


def _more(sock: socket.socket) -> str:
    data = sock.recv(_CHUNK)
    if not data:
        raise ConnectionResetError("it closed the connection")
    return data.decode("utf-8", "replace")
