"""Write packets to classic pcap files, with scapy's writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_pcap(path: Path, frames: Sequence[bytes]) -> None:
    """Write Ethernet *frames*, one millisecond apart, in order."""
    from scapy.utils import RawPcapWriter  # noqa: PLC0415 - scapy is slow to import

    path.parent.mkdir(parents=True, exist_ok=True)
    with RawPcapWriter(str(path), linktype=1) as writer:
        writer.write_header(None)
        for number, frame in enumerate(frames):
            writer.write_packet(frame, sec=number // 1000, usec=number % 1000 * 1000)
