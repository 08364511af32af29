"""Numbers that the file may leave out, or must: MAC addresses of ports and routers, VNIs of networks.

All are stable hashes of the object's path: another port added before it, or a file re-sorted, changes
nothing (a number by position would silently rename running ports).  A collision is a diagnostic.
"""

from __future__ import annotations

import hashlib

MAX_VNI = 0xFFFFFF


def derived_mac(port: str) -> str:
    """Return a locally administered unicast MAC for a port's path.

    >>> derived_mac("red/vm1")
    '02:77:ff:df:42:d5'
    """
    digest = hashlib.sha256(b"mac:" + port.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def gateway_mac(router: str, network: str) -> str:
    """Return the MAC of a router in a network, both given by path: as `derived_mac`, of a name of its own.

    >>> gateway_mac("red/r1", "red/app") == derived_mac("router:red/r1/app")
    True
    """
    return derived_mac(f"router:{router}/{network.partition('/')[2]}")


def derived_vni(network: str) -> int:
    """Return a VNI, 1 to 16777215, for a network's path.

    >>> derived_vni("red/app")
    11425822
    """
    digest = hashlib.sha256(b"vni:" + network.encode()).digest()
    return 1 + int.from_bytes(digest[:8]) % MAX_VNI
