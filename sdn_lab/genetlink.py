"""Whether this kernel speaks a generic netlink family, e.g. ``ovs_datapath`` of the openvswitch module.

This is the question that Open vSwitch itself asks.  A kernel that has the module, and may load it, does so
when it is asked.

Reference: genetlink(7); linux/genetlink.h, CTRL_CMD_GETFAMILY; RFC 3549.
"""

from __future__ import annotations

import errno
import socket
import struct

_GENERIC = 16  # NETLINK_GENERIC; also the id of the family "nlctrl"
_REQUEST, _ERROR = 1, 2
_GETFAMILY, _FAMILY_NAME = 3, 2
_HEADER, _SUBHEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_ANSWER_S = 5.0


def speaks(family: str) -> bool:
    """Say whether the kernel knows *family*.  Raises OSError if it cannot be asked."""
    name = family.encode() + b"\0"
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(name), _FAMILY_NAME) + name
    body = _SUBHEADER.pack(_GETFAMILY, 1, 0) + attribute + bytes(-len(attribute) % 4)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as sock:
        sock.settimeout(_ANSWER_S)
        sock.send(_HEADER.pack(_HEADER.size + len(body), _GENERIC, _REQUEST, 1, 0) + body)
        answer = sock.recv(1 << 16)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _ERROR:
        return True
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if -code == errno.ENOENT:
        return False
    raise OSError(-code, f"the kernel was asked for {family}")
