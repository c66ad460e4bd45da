"""Certificate authorities and certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Authority:
    """Signs certificates.

    Args:
        folder: where its files are written.
        name: of the authority.

    Attributes:
        certificate: PEM file of its certificate.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        self._run("-subj", f"/CN={name}", "-keyout", str(self._key), "-out", str(self.certificate))

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Issues a certificate for localhost and further hosts; PEM files of it and of its key."""
        names = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"DNS:{host}" for host in hosts)])
        certificate, key = self._folder / f"{self._name}-{name}.pem", self._folder / f"{self._name}-{name}.key"
        self._run(
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key), "-keyout", str(key), "-out", str(certificate)),
        )
        return certificate, key

    def issue_signer(self, name: str, usage: str, *newkey: str) -> tuple[Path, Path]:
        """Issues a certificate that signs documents or times, as C2PA wants it.

        Args:
            name: of the signer.
            usage: its extended key usage, e.g. `emailProtection`.
            *newkey: options of `openssl req` for its key; elliptic curve P-256 if none.

        Returns:
            PEM files of the certificate with the authority's behind it, and of the key.
        """
        chain, key = self._folder / f"{self._name}-{name}.pem", self._folder / f"{self._name}-{name}.key"
        self._run(
            *("-subj", f"/O=Archive/CN={name}", "-addext", f"extendedKeyUsage={usage}"),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key), "-keyout", str(key), "-out", str(chain)),
            newkey=newkey or P256,
        )
        chain.write_bytes(chain.read_bytes() + self.certificate.read_bytes())
        return chain, key

    @staticmethod
    def _run(*arguments: str, newkey: tuple[str, ...] = P256) -> None:
        command = ["openssl", "req", "-x509", *newkey, "-nodes", "-days", "2", *arguments]
        subprocess.run(command, check=True, capture_output=True)
