"""A long soak on the embedded dispatcher: 0 lost, 0 doubled, order kept; the report is printed.

The usual run writes 2,000 messages; ``XIAOER_SOAK=full`` (``make soak``) writes 20,000 over 2,000 conversations.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from bot.engine.dispatcher import Pace
from tests.durability.soaking import Size, check, drive, settled
from tests.durability.workshop import Faults, FaultyPlatform, open_workshop

FAULTS = Faults(busy=0.05, broken=0.03, lost=0.01, longest_delay_s=0.005)
USUAL = Size(people=200, each=10)
FULL = Size(people=2000, each=10)


def size() -> Size:
    """Tell how long this run soaks."""
    return FULL if os.environ.get("XIAOER_SOAK") == "full" else USUAL


@pytest.mark.timeout(1200)
async def test_soak_on_the_embedded_dispatcher_loses_and_doubles_nothing(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Delays, errors, 429s and repeated deliveries: all is there once, in order."""
    platform = FaultyPlatform(tmp_path / "screen", FAULTS)
    began = time.monotonic()
    async with open_workshop(sqlite_url, platform, Pace(quiet_s=0.01, at_once=64)) as workshop:
        await drive(workshop.accept, size(), Random(3))  # noqa: S311 - repeatable
        await settled(workshop.stores.database, patience_s=300)
        report = await check(workshop.stores.database, platform, size(), time.monotonic() - began)
    with capsys.disabled():
        print(f"\n{report}")  # noqa: T201 - the report of the soak
    assert (report.lost, report.doubled, report.disordered) == (0, 0, 0)
    assert report.conversations == size().people
    assert report.retried
    assert report.unclear
