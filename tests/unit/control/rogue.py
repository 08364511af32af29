"""A switch that is not what it says: it shows a certificate, and claims a datapath id.

``python rogue.py HOST L4_PORT DPID``: certificate and key on standard input, PEM, or nothing.  It says on
standard output, one word a line, which OpenFlow messages it was sent until the controller closed.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys

HELLO = struct.pack("!BBHI", 4, 0, 8, 1)
PORTS = struct.pack("!BBHIHH4x", 4, 19, 16, 3, 13, 0)
ANSWERS = {5: "features request", 0: "hello", 14: "flow-mod", 18: "multipart request"}


def features(dpid: str) -> bytes:
    return struct.pack("!BBHIQIBB2xII", 4, 6, 32, 2, int(dpid, 16), 0, 254, 0, 0, 0)


def speak(host: str, l4_port: int, dpid: str, proof: str, timeout_s: float = 10.0) -> list[str]:
    """Join as *dpid* with the certificate and key of *proof*; what came back, by name, until closed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if proof:
        memory = os.memfd_create("proof")
        os.write(memory, proof.encode())
        context.load_cert_chain(f"/proc/self/fd/{memory}")
        os.close(memory)
    heard: list[str] = []
    with socket.create_connection((host, l4_port), timeout=timeout_s) as plain:
        try:
            with context.wrap_socket(plain) as sock:
                sock.sendall(HELLO + features(dpid) + PORTS)
                while head := _exactly(sock, 8):
                    _exactly(sock, int.from_bytes(head[2:4], "big") - 8)
                    heard.append(ANSWERS.get(head[1], str(head[1])))
        except TimeoutError:
            heard.append("kept open")
        except OSError as error:
            heard.append(getattr(error, "reason", None) or "closed")
    return heard


def _exactly(sock: ssl.SSLSocket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            return b""
        data += more
    return data


if __name__ == "__main__":
    sys.stdout.write("\n".join(speak(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.stdin.read())))
