"""The table of promises and channels in contract.yml: every cell names a test, or says why there is nothing to test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.channels.test_contract import CHANNELS

HERE = Path(__file__).parent
ROWS: list[dict[str, str]] = yaml.safe_load((HERE / "contract.yml").read_text(encoding="utf-8"))
REASON = "none: "


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Give the names of all tests."""
    found = (path.read_text(encoding="utf-8") for path in HERE.parents[1].rglob("test_*.py"))
    return {name for text in found for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("row", ROWS, ids=[row["promise"] for row in ROWS])
def test_every_cell_of_the_contract_is_proved(row: dict[str, str], known: set[str]) -> None:
    """Each of the eight channels has its test for each promise; a missing one has its reason."""
    assert set(row) == {"promise", *CHANNELS}
    cells = [row[channel] for channel in CHANNELS]
    assert [cell for cell in cells if not cell.startswith(REASON) and cell not in known] == []
    named = [name for cell in cells for name in re.findall(r"test_\w+", cell)]
    assert [name for name in named if not any(each.startswith(name) for each in known)] == []
