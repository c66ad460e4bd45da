"""Attempts of a run follow each other, and nothing of an earlier one acts on a later one."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

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
