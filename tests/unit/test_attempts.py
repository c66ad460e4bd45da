"""Attempts of a run follow each other, and nothing of an earlier one acts on a later one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.contract.attempt_machine import AttemptMachine
from tests.contract.attempts import AttemptContract
from tests.contract.ledger import AWKWARD


class TestLocalAttempts(AttemptContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return str(tmp_path / AWKWARD)


class TestAttemptsInMemory(AttemptContract):
    @pytest.fixture
    def root(self) -> str:
        return f"memory://{uuid4().hex}/{AWKWARD}"


class FolderMachine(AttemptMachine):
    """On a local folder."""

    def make_root(self) -> str:
        return tempfile.mkdtemp(dir=self.folder.name)


TestAttemptsOfARun = FolderMachine.TestCase
TestAttemptsOfARun.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
