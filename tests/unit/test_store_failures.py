"""What an exception of a file system says about a file."""

from __future__ import annotations

import errno
import os

import pytest

from reelwright.store.failures import store_error
from reelwright.titles.errors import OutputError, UnavailableError


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTCONN, errno.ECONNRESET])
def test_an_error_of_this_machine_says_nothing_of_a_file_on_a_server(number: int) -> None:
    """Without an answer of the server, the store counts as away, and the work is tried again."""
    assert isinstance(store_error(OSError(number, os.strerror(number)), "s3://films/film.mp4"), UnavailableError)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENAMETOOLONG, errno.EISDIR])
def test_a_file_system_that_refuses_a_local_file_is_believed(number: int) -> None:
    """What a local file system refuses, it refuses every time."""
    assert isinstance(store_error(OSError(number, os.strerror(number)), "/films/film.mp4"), OutputError)
