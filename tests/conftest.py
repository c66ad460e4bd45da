"""Servers that tests share, each started once per run, when a test first asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from scripts.servers.kafka import KafkaServer
from scripts.servers.s3 import S3Server


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Has Ctrl-C end the processes that tests start, also where the tests run in the background of a shell.

    Such a shell has SIGINT ignored in what it starts, and every process below inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """A running broker with every kind of listener. A test that stops or freezes it brings it back."""
    with KafkaServer(secure=True) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3 server with the bucket `films`. A test that stops or freezes it brings it back."""
    with S3Server() as server:
        yield server
