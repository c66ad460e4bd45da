"""Content Credentials: what was done to a film, signed by C2PA's rules, in a file of its own beside the film.

The film's bytes stay as they are, so it passes `verify` as before. The libraries are those of the extra `credentials`;
no other module imports them, and this one only when something is signed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from reelwright.ledger.c2pa import definition
from reelwright.ledger.delivery import credentials_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.settings import CredentialsSettings, SigningFiles
from reelwright.media.source_file import open_bytes
from reelwright.settings import read_settings
from reelwright.store.folder import parent_folder
from reelwright.store.output_guard import guard_output
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry.watchdog import waiting
from reelwright.titles.errors import InputError, UnavailableError, UserError

# C2PA 2.2, section "Signature algorithms".
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_GUIDE = "docs/certificate.md says what is needed"
_TRIAL = {
    "format": "application/octet-stream",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia",
                    }
                ]
            },
        }
    ],
}


def configured_signing() -> SigningFiles | None:
    """Whose signature films get by the settings of this process, after a trial; None where films are not signed.

    A trial, because a certificate that c2pa refuses should be known before hours of work. It needs no timestamp.

    Raises:
        UserError: a setting is not valid; or see `FilmSigner`.
    """
    files = read_settings(CredentialsSettings).files
    if files is not None:
        FilmSigner(files).try_out()
    return files


def sign_film(film: str, files: SigningFiles) -> str:
    """Signs what the manifest beside a film says was done, and writes it beside the film; earlier ones are replaced.

    Reads the film twice. c2pa needs up to 0.6 GB of memory for it.

    Args:
        film: its location; a film in a store is copied to a temporary folder meanwhile.
        files: key and certificates.

    Returns:
        Location of the credentials.

    Raises:
        InputError: there is no whole manifest, or it is of another film.
        OutputError: there is no such film in the store, or the credentials cannot be written.
        UnavailableError: store or timestamp server does not answer, or there is no room for the copy.
        UserError: key or certificates cannot be used, or the extra `credentials` is not installed.
    """
    credentials = credentials_location(film)
    guard_output(film, credentials)
    signer = FilmSigner(files)
    manifest = read_manifest(film)
    folder, name = parent_folder(film)
    with scratch_folder("sign", None) as scratch, open_bytes(str(folder.download(name, scratch))) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest.film_sha256:
            raise InputError("not the film that its manifest is of", film, "`reelwright verify` says what differs")
        file.seek(0)
        signed = signer.sign(file, manifest)
    folder.replace(credentials_location(name), signed)
    return credentials


def sign_draft(path: Path, manifest: Manifest, files: SigningFiles) -> bytes:
    """The credentials of a film that was just made; key and certificates are read anew, as they may be replaced.

    Args:
        path: the film.
        manifest: of this very film.
        files: key and certificates.

    Raises:
        UserError: key or certificates cannot be used.
        UnavailableError: the timestamp server does not answer.
    """
    with path.open("rb") as film:
        return FilmSigner(files).sign(film, manifest)


class FilmSigner:
    """Signs films with one key.

    Args:
        files: key and certificates, which are read now.

    Raises:
        UserError: a file cannot be read or used, the key does not belong to the first certificate, the address is not
            valid, or the extra `credentials` is not installed.
    """

    def __init__(self, files: SigningFiles) -> None:
        self._c2pa = _load_c2pa()
        self._files = files
        server = files.timestamp_server
        # A password in the address would be in error messages.
        if server is not None and ("@" in server or not server.startswith(("http://", "https://"))):
            raise UserError("not the address of a timestamp server", server.rpartition("@")[2], "write https://HOST")
        self._certificates = _read(files.certificates)
        self._algorithm, self._key = _read_key(files, self._certificates)

    def sign(self, film: BinaryIO, manifest: Manifest) -> bytes:
        """The signed C2PA manifest of a film, bound to its bytes.

        Args:
            film: at its start.
            manifest: of this very film.

        Raises:
            UserError: c2pa refuses to sign with this certificate.
            UnavailableError: the timestamp server does not answer, or answers with an error.
        """
        described = definition(manifest)
        # A film of 100 GB takes minutes, in which nothing of this process makes progress.
        with waiting():
            return self._signed(described, film, self._files.timestamp_server)

    def try_out(self) -> None:
        """Signs a few bytes without a timestamp.

        Raises:
            UserError: c2pa refuses to sign with this certificate.
        """
        self._signed(_TRIAL, io.BytesIO(b"trial"), None)

    def _signed(self, described: dict[str, Any], film: BinaryIO, server: str | None) -> bytes:
        try:
            info = self._c2pa.C2paSignerInfo(self._algorithm, self._certificates, self._key, server)
            with (
                self._c2pa.Signer.from_info(info) as signer,
                self._c2pa.Builder(json.dumps(described)) as builder,
                # c2pa copies the film there although nothing is put into it.
                open(os.devnull, "w+b") as nowhere,  # noqa: PTH123 - not a path of ours
            ):
                builder.set_no_embed()
                return bytes(builder.sign(signer, described["format"], film, nowhere))
        except self._c2pa.C2paError as error:
            raise self._refusal(str(error)) from None

    def _refusal(self, reason: str) -> UserError | UnavailableError:
        server = self._files.timestamp_server
        # c2pa has one kind of error for a bad certificate and for a server that fails; only the text says which.
        if server is not None and "http" in reason.casefold():
            return UnavailableError(f"no timestamp: {reason}", server, "try again later, or name another server")
        return UserError(f"not signed: {reason}", str(self._files.certificates), _GUIDE)


def _load_c2pa() -> Any:  # noqa: ANN401 - the library publishes no types
    try:
        import c2pa  # noqa: PLC0415 - optional
    except ImportError:
        raise UserError("signing is not installed", "", "pip install 'reelwright[credentials]'") from None
    return c2pa


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(path), "correct the name or its permissions") from None


def _read_key(files: SigningFiles, certificates: bytes) -> tuple[str, bytes]:
    """C2PA's name of the algorithm, and the key in the only form that c2pa takes (PKCS#8)."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - optional
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - optional

    try:
        key = serialization.load_pem_private_key(_read(files.key), password=None)
    # A TypeError: it needs a password.
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UserError("not a private key in PEM without a password", str(files.key), _GUIDE) from None
    try:
        holder = load_pem_x509_certificates(certificates)[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise UserError("no certificates in PEM", str(files.certificates), _GUIDE) from None
    if holder != key.public_key():
        what = f"the key does not belong to the first certificate of {files.certificates}"
        raise UserError(what, str(files.key), "put the certificate of the key first")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return _algorithm(key, files.key), key.private_bytes(pem, pkcs8, serialization.NoEncryption())


def _algorithm(key: object, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - optional

    found = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        found = _CURVES.get(key.curve.name)
    elif isinstance(key, rsa.RSAPrivateKey):
        found = "ps256"
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        found = "ed25519"
    if found is None:
        raise UserError("C2PA has no signatures of this kind of key", str(path), _GUIDE)
    return found
