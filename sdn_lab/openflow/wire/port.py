"""Ports, their queues, and tables as a controller configures them: bytes to values.

Reference: OpenFlow 1.3.5 sections 7.3.3 (table-mod), 7.3.4.3 (port-mod), 7.3.6 (queues).
"""

from __future__ import annotations

from struct import Struct

from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import ALL_TABLES, PortMod, QueueConfig, TableMod

PORT_DOWN, NO_RECV, NO_FWD, NO_PACKET_IN = 1, 4, 32, 64
CONFIGS = PORT_DOWN | NO_RECV | NO_FWD | NO_PACKET_IN
_LAST_TABLE = 253
_DEPRECATED = 3  # the only table configuration that 1.3 knows, and it means nothing any more
_PORT_MOD = Struct("!I4x6s2xIII4x")


def _exactly(data: bytes, length: int, what: str) -> None:
    if len(data) != length:
        raise WireError(error.REQUEST_BAD_LEN, f"{what} of {len(data)} bytes, not {length}")


def read_port_mod(data: bytes) -> PortMod:
    """Decode a whole port-mod.  Raises WireError."""
    _exactly(data, 40, "a port-mod")
    of_port, mac, config, mask, advertise = _PORT_MOD.unpack_from(data, 8)
    if (config | mask) & ~CONFIGS:
        raise WireError(error.PORT_BAD_CONFIG, f"port configuration {config:#x} under {mask:#x}")
    if advertise:
        raise WireError(error.PORT_BAD_ADVERTISE, "nothing can be advertised on a simulated link")
    return PortMod(of_port=of_port, mac=mac, config=config, mask=mask)


def read_table_mod(data: bytes) -> TableMod:
    """Decode a whole table-mod.  Raises WireError."""
    _exactly(data, 16, "a table-mod")
    table, config = data[8], int.from_bytes(data[12:16], "big")
    if table > _LAST_TABLE and table != ALL_TABLES:
        raise WireError(error.TABLE_BAD_TABLE, f"there is no table {table}")
    if config & ~_DEPRECATED:
        raise WireError(error.TABLE_BAD_CONFIG, f"table configuration {config:#x}")
    return TableMod(table_id=table)


def read_queue_config(data: bytes) -> QueueConfig:
    """Decode a whole request for the queues of a port.  Raises WireError."""
    _exactly(data, 16, "a queue-get-config request")
    return QueueConfig(of_port=int.from_bytes(data[8:12], "big"))
