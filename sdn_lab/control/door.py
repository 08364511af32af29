"""Who is let in: a switch proves its name by a certificate, and may then speak under that name only.

What
----
`admit` does the TLS handshake on a fresh connection and returns the name that the switch has proved, or says
in one sentence why it is refused.  A `Door` stands between a connection and the apps, in the place of the
framework's own distributor of events: until the switch has said which datapath it is, and that is its
certificate's name, nothing of what it sends reaches an app.

Where it sits
-------------
Used by:    `sdn_lab.control.child` (`admit`), `sdn_lab.control.connection` (`Door`).
Not here:   certificates: `sdn_lab.tls` and `sdn_lab.pki`.

Why the name is checked again after the handshake
-------------------------------------------------
The handshake shows that a switch belongs to the lab, not which one it is: an OpenFlow switch names itself,
in its features reply.  One that was taken over could otherwise join under its neighbour's datapath id, get
the neighbour's tables, and say that they are held.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from sdn_lab.control import ryu
from sdn_lab.control.site import site
from sdn_lab.tls import name_of

_HANDSHAKE_S = 5.0
_BEFORE_ITS_NAME = (
    ryu.ofp_event.EventOFPStateChange,
    ryu.ofp_event.EventOFPHello,
    ryu.ofp_event.EventOFPEchoRequest,
    ryu.ofp_event.EventOFPEchoReply,
)
_WHY = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not believe this lab's certificates",
}


def admit(sock: socket.socket, address: Any, context: ssl.SSLContext) -> tuple[ssl.SSLSocket, str] | None:
    """Return the encrypted socket and the name that its other end has proved; None if it is refused."""
    try:
        sock.settimeout(_HANDSHAKE_S)
        secured = context.wrap_socket(sock, server_side=True)
    except ssl.SSLCertVerificationError as error:
        _refuse(address, f"its certificate is not one of this lab's switches' ({error.verify_message})")
    except ssl.SSLError as error:
        reason = error.reason or "the connection ended"
        _refuse(address, _WHY.get(reason, f"no TLS handshake ({reason.lower().replace('_', ' ')})"))
    except OSError:
        _refuse(address, "no TLS handshake (it left, or said nothing)")
    else:
        return secured, name_of(secured)
    sock.close()
    return None


class Door:
    """The framework's distributor of events, for one connection, closed until the switch is who it says."""

    def __init__(self, behind: Any, name: str, refuse: Callable[[], None]) -> None:
        """*behind* distributes what is let through; *refuse* ends the connection."""
        self._behind, self._name, self._refuse = behind, name, refuse
        self._open = False

    def send_event_to_observers(self, ev: Any, state: Any) -> None:
        if isinstance(ev, ryu.ofp_event.EventOFPSwitchFeatures):
            self._look(ev.msg)
        if self._passes(ev):
            self._behind.send_event_to_observers(ev, state)

    def get_handlers(self, ev: Any) -> Any:
        return self._behind.get_handlers(ev) if self._passes(ev) else []

    def _passes(self, ev: Any) -> bool:
        return self._open or isinstance(ev, _BEFORE_ITS_NAME)

    def _look(self, features: Any) -> None:
        dpid = f"{features.datapath_id:016x}"
        self._open = dpid == self._name
        if not self._open:
            _refuse(
                features.datapath.address,
                f"it says that it is {_called(dpid)}, and its certificate that it is {_called(self._name)}",
            )
            self._refuse()


def _called(dpid: str) -> str:
    try:
        return f"{site.place(int(dpid, 16)).hypervisor} (datapath {dpid})"
    except (KeyError, ValueError):
        return f"datapath {dpid}"


def _refuse(address: Any, why: str) -> None:
    site.tell(event="said", text=f"a switch at {address[0]} was refused: {why}")
