"""Suites that every implementation of a seam must pass."""

import pytest

# Shared suites deserve the same readable failures as test modules.
pytest.register_assert_rewrite("tests.contract.bounded_bus")
pytest.register_assert_rewrite("tests.contract.bus")
pytest.register_assert_rewrite("tests.contract.ledger")
pytest.register_assert_rewrite("tests.contract.run_index")
