"""Larger socket buffers: what the machine allows.

Root may have any size; root of a user namespace only what ``net.core.rmem_max`` and ``wmem_max`` allow, and
the default there holds some 90 full frames.  A caller that got less sends more slowly.

Reference: socket(7), SO_RCVBUF, SO_RCVBUFFORCE.
"""

from __future__ import annotations

import socket

BYTES = 8 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33


def grow_receive(sock: socket.socket) -> bool:
    """Return whether *sock* now has room for `BYTES` to be received."""
    return _grow(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)


def grow_send(sock: socket.socket) -> bool:
    """Return whether *sock* now has room for `BYTES` to be sent."""
    return _grow(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF)


def _grow(sock: socket.socket, forced: int, asked: int) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, asked, BYTES)
    return sock.getsockopt(socket.SOL_SOCKET, asked) >= BYTES
