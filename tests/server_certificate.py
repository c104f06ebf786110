"""Certificates for servers of the tests, good and bad ones."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Certificate:
    """A server's certificate with its key, and the authority that signed it, as PEM files."""

    chain: Path
    key: Path
    ca_file: Path


def make_certificate(
    folder: Path, *, days: float, host: str = "127.0.0.1", trusted: bool = True
) -> Certificate:
    """A certificate for `host` that ends in `days` (negative: it has ended), with its authority.

    With `trusted=False` the `ca_file` holds another authority than the one that signed.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)

    def certificate(name: str, signer: str, key: Any, by: Any, end: datetime, ca: bool) -> Any:
        try:
            alternative: Any = x509.IPAddress(ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=90))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(by, hashes.SHA256())
        )

    folder.mkdir(parents=True, exist_ok=True)
    key, authority, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    known = authority if trusted else stranger
    root = certificate("test-root", "test-root", known, known, now + timedelta(days=3650), True)
    leaf = certificate(host, "test-root", key, authority, now + timedelta(days=days), False)
    made = Certificate(folder / "chain.pem", folder / "key.pem", folder / "ca.pem")
    made.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    made.ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made
