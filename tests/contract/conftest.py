"""The stores under contract."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.contract.line import Line


@pytest.fixture
def line(database: Database) -> Line:
    """Give all stores over an empty database, once for each kind."""
    return Line(database)
