"""A lab's own certificate authority: made with the lab, forgotten with it.

What
----
    authority = Authority()
    controller = authority.controller()
    switch = authority.switch("00000000000000a1")     # the name is the datapath id

Where it sits
-------------
Used by:    `sdn_lab.lab`, which hands the controller's identity to `sdn_lab.control`, and one for every
            hypervisor to the backend.  The only home of the ``cryptography`` package.

Invariants
----------
1.  Every lab has an authority of its own, with a fresh key: its certificates are worth nothing elsewhere.
2.  Keys are texts in memory and nowhere else; where they go is the business of who is given them.
3.  A certificate is for one end: the controller's serves, a switch's joins.

Why certificates never expire
-----------------------------
The authority lives as long as its lab.  With real dates a lab would depend on the machine's clock, and one
that is set while the lab runs would cut every switch off.

Reference: RFC 5280 (4.1.2.5: 99991231235959Z means "no end"); NIST P-256.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdn_lab.tls import Identity

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_OPERATION = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Signs for one lab."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(
            f"sdn-lab {secrets.token_hex(8)}"
        )  # of one name, one lab would fail another's oddly
        certificate = (
            _begun(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNING, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(Encoding.PEM).decode()
        """PEM; what both ends of a connection believe."""

    def controller(self) -> Identity:
        """Make the controller's identity."""
        return self._issue("controller", ExtendedKeyUsageOID.SERVER_AUTH)

    def switch(self, dpid: str) -> Identity:
        """Make the identity of the datapath *dpid*."""
        return self._issue(dpid, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: str, end: x509.ObjectIdentifier) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _begun(_named(name), self._name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_OPERATION, critical=True)
            .add_extension(x509.ExtendedKeyUsage([end]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return Identity(
            name=name,
            certificate=certificate.public_bytes(Encoding.PEM).decode(),
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            authority=self.certificate,
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_NO_END)
    )
