"""The fields of a frame's outermost MPLS label or PBB I-TAG, for `packet_parse`.

Reference: RFC 3032, section 2.1; IEEE 802.1ah-2008, section 9.7.

>>> read_labels(bytes.fromhex("00064740"), 0, 0x8847)
{'mpls_label': 100, 'mpls_tc': 3, 'mpls_bos': 1, 'mpls_ttl': 64}
"""

from __future__ import annotations

from sdn_lab.openflow.fields_labels import ETH_MPLS, ETH_MPLS_MULTICAST, ETH_PBB

MPLS = (ETH_MPLS, ETH_MPLS_MULTICAST)
LABELLED = frozenset({*MPLS, ETH_PBB})
PLACES = {"mpls_label": (12, 20), "mpls_tc": (9, 3), "mpls_bos": (8, 1), "mpls_ttl": (0, 8)}  # shift, bits


def read_labels(frame: bytes, at: int, eth_type: int) -> dict[str, int]:
    """Return the fields of the outermost label or I-TAG at *at*; of one that is cut short, all 0."""
    if eth_type in MPLS:
        entry = int.from_bytes(frame[at : at + 4]) if len(frame) >= at + 4 else 0
        return {name: entry >> shift & ((1 << bits) - 1) for name, (shift, bits) in PLACES.items()}
    if eth_type == ETH_PBB:
        return {"pbb_isid": int.from_bytes(frame[at + 1 : at + 4]) if len(frame) >= at + 18 else 0}
    return {}
