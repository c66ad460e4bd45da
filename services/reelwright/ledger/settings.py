"""Whose signature films get: `REELWRIGHT_CREDENTIALS_*`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


@dataclass(frozen=True, slots=True)
class SigningFiles:
    """Whose signature it is.

    Attributes:
        key: PEM file of the private key, without a password.
        certificates: PEM file of the certificate that belongs to the key, then those that signed it.
        timestamp_server: http or https address of a server that certifies when it was signed (RFC 3161); None for no
            timestamp.
    """

    key: Path
    certificates: Path
    timestamp_server: str | None = None


class CredentialsSettings(BaseSettings):
    """The same, of a process that signs each film that it makes. Without key and certificates it signs none."""

    model_config = SettingsConfigDict(env_prefix="REELWRIGHT_CREDENTIALS_", frozen=True)
    key: Path | None = None
    certificates: Path | None = None
    timestamp_server: str | None = None

    @property
    def files(self) -> SigningFiles | None:
        """Key and certificates; None where films are not signed."""
        if self.key is None or self.certificates is None:
            return None
        return SigningFiles(self.key, self.certificates, self.timestamp_server)

    @model_validator(mode="after")
    def _require_both(self) -> Self:
        if (self.key is None) != (self.certificates is None):
            raise ValueError("set both KEY and CERTIFICATES, or none")
        return self
