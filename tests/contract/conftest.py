"""The stores under contract, and where Rasa is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.domain.errors import ConfigError
from intents.rasa.environment import find_python
from storage.database import Database
from tests.conftest import MISSING
from tests.contract.line import Line
from tools import rasa_env

ASKED_FOR = "XIAOER_TEST_RASA"


@pytest.fixture
def line(database: Database) -> Line:
    """Give all stores over an empty database, once for each kind."""
    return Line(database)


@pytest.fixture(scope="session")
def rasa_python() -> Path:
    """Find Rasa's interpreter; build its environment when asked to; else skip loudly."""
    if os.environ.get(ASKED_FOR) == "1":
        assert rasa_env.main() == 0, "Rasa's environment could not be built; the reason stands above"
    try:
        return find_python()
    except ConfigError as problem:
        pytest.skip(f"{MISSING} rasa: what needs Rasa did not run: {problem}; or run: {ASKED_FOR}=1 make test")
