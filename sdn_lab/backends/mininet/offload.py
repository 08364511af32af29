"""Switch transmit checksum offload off: ``ethtool -K IFACE tx off``, without a program for each port.

With it left on, an instance's packets carry no checksum into the userspace datapath, and TCP does not pass at
all; ping hides that.

Reference: linux/ethtool.h, ETHTOOL_STXCSUM; netdevice(7).
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCETHTOOL, _ETHTOOL_STXCSUM, _OFF = 0x8946, 0x17, 0


def compute_checksums(interface: str) -> None:
    """Let the kernel compute them for *interface* of the namespace that the caller is inside of."""
    value = array.array("I", [_ETHTOOL_STXCSUM, _OFF])
    request = struct.pack("16sP16x", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, request)
