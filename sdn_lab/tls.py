"""Who somebody is on the management network, and the TLS that proves it to the other side.

What
----
An `Identity` is a certificate, its key, and the authority that both sides of a lab believe: three PEM texts.
`serving` and `joining` make the two ends' `ssl.SSLContext` of it; each demands a certificate of the other.
`name_of` is the name that a peer has proved.

Where it sits
-------------
Used by:    the controller's process (serves), the simulator's switches (join).  Open vSwitch reads the same
            texts from files in the lab's own /run.
Not here:   how identities are made: `sdn_lab.pki`, which alone needs the ``cryptography`` package.

Invariants
----------
1.  On Linux no key touches a disk.  Python's `ssl` reads a key from a file only, so it is given one that has
    no name: memory, by memfd_create(2).  Elsewhere it is a file in a folder of our own, while `ssl` reads it.
2.  Both ends check.  A certificate says by its extended key usage which end it is for, so that a switch's own
    cannot be used to play the controller.
3.  A key does not show itself: `repr` leaves it out.

Reference: RFC 8446; RFC 5280, section 4.2.1.12; memfd_create(2).
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """*name* is the certificate's common name: a datapath id, or ``controller``.  The rest is PEM text."""

    name: str
    certificate: str
    key: str = field(repr=False)
    authority: str


def serving(identity: Identity) -> ssl.SSLContext:
    """Return the controller's end: it accepts whoever the authority knows as a switch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _holding(context, identity)


def joining(identity: Identity) -> ssl.SSLContext:
    """Return a switch's end: it accepts whoever the authority knows as the controller, at any address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the authority is this lab's alone, and has named one controller
    return _holding(context, identity)


def name_of(peer: ssl.SSLSocket) -> str:
    """Return the common name that the other end has proved; the handshake must be over."""
    certificate: Any = peer.getpeercert() or {}
    return next(
        (str(value) for ((name, value),) in certificate.get("subject", ()) if name == "commonName"), ""
    )


def _holding(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=identity.authority)
    with _file_of((identity.certificate + identity.key).encode()) as path:
        context.load_cert_chain(path)
    return context


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """Give the path of a file with *data*: in memory, or, where no system has that, in a folder of ours."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory(prefix="sdn-lab-") as folder:  # which nobody else may enter
            path = Path(folder, "identity")
            path.write_bytes(data)
            yield str(path)
        return
    memory = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        os.write(memory, data)
        yield f"/proc/self/fd/{memory}"
    finally:
        os.close(memory)
