"""Deaf instances: their kernels neither answer a probe nor say anything of their own accord.

Why
---
A kernel answers probes (RST, port unreachable, echo reply), and every answer changes connection
tracking; it also sends multicast listener reports of its own.  While frames are exchanged,
therefore, nftables' ``netdev`` hooks drop all that arrives at an instance's interface *after*
packet sockets have seen it, and all that leaves it without the probes' mark.  A real service in an
instance needs a kernel that hears, so `hear` takes this away again.

Reference: nft(8), "netdev" address family, ingress and egress hooks; socket(7), SO_MARK.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdn_lab.backends.mininet.namespaces import inside
from sdn_lab.process import run

MARK = 0x5D1AB  # on the frames that we inject
_NFT_S = 30


def rules(interfaces: Sequence[str]) -> str:
    """Return the nftables rules that make *interfaces* deaf and mute."""
    devices = ", ".join(f'"{i}"' for i in interfaces)
    return f"""table netdev probes {{
  chain arriving {{ type filter hook ingress devices = {{ {devices} }} priority 0; policy drop; }}
  chain leaving {{ type filter hook egress devices = {{ {devices} }} priority 0; policy drop;
    meta mark {MARK:#x} accept
  }}
}}
"""


def deafen(pid: int, interfaces: Sequence[str]) -> None:
    """Make the node of process *pid* deaf and mute."""
    with inside(pid):
        run(["nft", "-f", "-"], _NFT_S, stdin=rules(interfaces))


def hear(pid: int) -> None:
    """Let a node's kernel hear and speak again."""
    with inside(pid):
        run(["nft", "delete", "table", "netdev", "probes"], _NFT_S)
