"""EBML elements are read as they were written, and what is no element is never taken for one."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media import ebml

IDENTIFIERS = st.sampled_from([ebml.VOID, ebml.TRACK_NAME, ebml.CLUSTER, ebml.DISPLAY_WIDTH])


@given(elements=st.lists(st.tuples(IDENTIFIERS, st.binary(max_size=300)), max_size=8))
def test_written_elements_are_read_again(elements: list[tuple[int, bytes]]) -> None:
    """Identifiers, sizes and contents come back in order."""
    content = b"".join(ebml.write_element(identifier, data) for identifier, data in elements)
    found = [(identifier, ebml.content_of(element)) for identifier, element in ebml.children(content)]
    assert found == elements
    handle = BytesIO(content)
    for identifier, data in elements:
        element = ebml.read_element(handle)
        assert element is not None
        assert (element.identifier, element.size) == (identifier, len(data))
        assert handle.read(len(data)) == data
    assert ebml.read_element(handle) is None


def test_an_unknown_size_is_none() -> None:
    """A live recording does not say how long its segment is."""
    element = ebml.read_element(BytesIO(b"\x18\x53\x80\x67\x01" + b"\xff" * 7))
    assert element == ebml.Element(ebml.SEGMENT, 12, None)


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_safely(data: bytes) -> None:
    """Random bytes give elements that lie inside them, or ValueError."""
    try:
        parts = [element for _, element in ebml.children(data)]
    except ValueError:
        return
    assert b"".join(parts) == data


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xec", b"\xec\x00", b"\x01\x81\x00", b"\x1a\x45\xdf"])
def test_no_element_is_none(data: bytes) -> None:
    """A zero byte, an identifier of five bytes and a header that ends early are no elements."""
    assert ebml.read_element(BytesIO(data)) is None


def test_a_size_beyond_any_file_leads_to_no_element(tmp_path: Path) -> None:
    """An offset that no file can be read at, as damaged sizes give it, is answered like the end of the file."""
    path = tmp_path / "file"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x80")
    with path.open("rb") as file:
        assert ebml.read_element(file, 1 << 62) is None
        assert ebml.read_element(file, 1 << 64) is None
