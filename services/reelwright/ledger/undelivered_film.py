"""A film in its attempt's folder that could not be signed or delivered at an earlier try: it is not made again."""

from __future__ import annotations

from pathlib import Path

from reelwright.ledger.credentials import sign_draft
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.segments import file_sha256
from reelwright.ledger.settings import SigningFiles
from reelwright.store.scratch import scratch_folder
from reelwright.titles.errors import OutputError, UnavailableError


def put_signature(
    ledger: RunLedger, name: str, draft: Path, manifest: Manifest, *, signing: SigningFiles | None, keep: bool
) -> UnavailableError | None:
    """Signs a film that is not in the attempt's folder yet, and puts its credentials there.

    Args:
        ledger: of the attempt.
        name: that the film will have there.
        draft: the film.
        manifest: of this very film.
        signing: whose signature it gets; None for no credentials.
        keep: whether the film is put without credentials when there is no timestamp, for `sign_undelivered_film`.

    Returns:
        What to raise when film, report and manifest are there; None if the film can be delivered.

    Raises:
        UnavailableError: the timestamp server or the store does not answer, and `keep` is not set.
        OutputError: the ledger refuses the credentials.
        UserError: key or certificates cannot be used.
    """
    if signing is None:
        return None
    try:
        ledger.film.put_credentials(sign_draft(draft, manifest, signing), name)
    except UnavailableError as error:
        if not keep:
            raise
        return error
    return None


def sign_undelivered_film(
    ledger: RunLedger, name: str, *, scratch: Path | None, signing: SigningFiles | None
) -> Manifest | None:
    """Finds the film that an earlier try put into the attempt's folder, compares its SHA-256, and signs it anew.

    Reads the film once, and twice more where it is signed.

    Args:
        ledger: of the attempt.
        name: of the film there.
        scratch: folder for a copy of the film when the ledger is remote; the system's temporary folder if None.
        signing: whose signature the film gets; None for no credentials.

    Returns:
        The film's manifest; None when there is no whole film, which is then to be made.

    Raises:
        UnavailableError: the timestamp server or the store does not answer, or there is no room for the copy.
        OutputError: the ledger refuses to be read or written.
        UserError: key or certificates cannot be used.
    """
    manifest = ledger.film.manifest(name)
    if manifest is None:
        return None
    with scratch_folder("film", scratch) as folder:
        try:
            film = ledger.film.file(name, folder)
            if file_sha256(film) != manifest.film_sha256:
                return None
            credentials = None if signing is None else sign_draft(film, manifest, signing)
        except (OutputError, FileNotFoundError):
            # Another encoder has delivered it meanwhile.
            return None
    if credentials is not None:
        ledger.film.put_credentials(credentials, name)
    return manifest
