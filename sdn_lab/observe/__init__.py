"""STAGE 5: put packets into a running lab and look for them everywhere.

Reads:   a scenario, its claims, a snapshot (for the constants in its tables) and an `Exchange`.
Writes:  `model.observation.Observations`, which `verify.probe` adds up into verdicts.
Imports: `model`, `openflow`, `contracts`; scapy has its only home here (`frames`, `capture_file`).

The order of reading: `case` (what a probe is), `world` (what probes know), `probes` (the families),
`markers`, `turns` and `runner` (sending and looking), `sighting` (what a captured frame means),
`campaign` (all of it).
"""

from sdn_lab.observe.campaign import run_probes
from sdn_lab.observe.capture_file import write_pcap

__all__ = ["run_probes", "write_pcap"]
