"""Networks in a cluster's store: found by their hash; what is damaged, missing or no network is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reelwright.restoration.models import resolve_model
from reelwright.restoration.stored_models import add_model, described_model, fetched_model
from reelwright.store.folder import Folder
from reelwright.titles.errors import ModelError
from tests.support.own_networks import own_network

# Local folders are read in place, and files of every other store are fetched first.
STORES = ("folder", "memory")


@pytest.fixture(params=STORES)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of a ledger."""
    return str(tmp_path / "ledger") if request.param == "folder" else f"memory://{tmp_path.name}-{request.param}/ledger"


def refused(name: str, root: str) -> str:
    """The one line with which a network is refused."""
    with pytest.raises(ModelError) as caught, fetched_model(name, root):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_network_is_found_by_its_hash(root: str, tmp_path: Path) -> None:
    """A network that is put into the store has the name of its hash, and is there as a file while it is used."""
    own = resolve_model(str(own_network(tmp_path)))
    name = add_model(own.path, root)
    assert name == f"sha256:{own.sha256}"
    with fetched_model(name, root) as model:
        assert model.path.read_bytes() == own.path.read_bytes()
        assert (model.sha256, model.networks, model.scales) == (own.sha256, own.networks, own.scales)
    described = described_model(name, root)
    assert (described.sha256, described.halo_frames) == (own.sha256, own.halo_frames)


def test_a_packaged_network_needs_no_store() -> None:
    """A name without a hash is that of a packaged network or a file, whatever the store is."""
    with fetched_model("reel-s", "memory://empty") as model:
        assert model == resolve_model("reel-s")


def test_a_damaged_network_is_refused(root: str, tmp_path: Path) -> None:
    """A file that has another hash than its name is refused with the hash that it has, and what to do."""
    name = add_model(own_network(tmp_path), root)
    file = f"models/{name.removeprefix('sha256:')}.safetensors"
    content = Folder(root).read(file)
    assert content is not None
    Folder(root).replace(file, content[:-1] + bytes([content[-1] ^ 1]))
    line = refused(name, root)
    assert file in line
    assert "its SHA-256 is " in line
    assert "reelwright models add FILE replaces it" in line


def test_a_missing_network_is_refused(root: str) -> None:
    """A hash that the store does not have is refused with the place where the file would be."""
    assert f"models/{'0' * 64}.safetensors: no such model; put it into the store" in refused(f"sha256:{'0' * 64}", root)


@pytest.mark.parametrize("name", ["sha256:", "sha256:12", f"sha256:{'A' * 64}", f"sha256:../{'0' * 61}"])
def test_what_is_no_hash_is_refused(name: str, root: str) -> None:
    """A name that is not 64 hex digits reads nothing in the store."""
    assert "not the SHA-256 of a file" in refused(name, root)


def test_what_is_no_network_is_refused(root: str, tmp_path: Path) -> None:
    """A file that is no network is not put into the store, and not served when it is there under its right hash."""
    path = tmp_path / "text.safetensors"
    path.write_text("not a network\n")
    with pytest.raises(ModelError, match="not a safetensors file"):
        add_model(path, root)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    Folder(root).upload(f"models/{sha256}.safetensors", path)
    assert f"models/{sha256}.safetensors: not a safetensors file" in refused(f"sha256:{sha256}", root)
