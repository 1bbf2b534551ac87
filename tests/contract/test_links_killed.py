"""Killed in the middle of a link, or of undoing one: it is done whole or not at all, and done at the next look."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from storage.tables import EVENTS, LINKS
from tests.contract.line import Line
from tests.contract.people_on_channels import Town, complaint

# Of the fifteen or so changes of a link: the first, one in the middle, one near the end.
PLACES = (1, 6, 11)


def run(url: str, what: str, dies_at: int) -> bool:
    """Run the program; tell whether it was killed."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.contract.killed_linker", url, what, str(dies_at)],
        capture_output=True,
        check=False,
        timeout=400,
    )
    assert ended.returncode in {0, -signal.SIGKILL}, ended.stderr.decode()[-500:]
    return ended.returncode != 0


@pytest.fixture
async def town(line: Line) -> Town:
    """Let one person prove an order on two channels, with tickets on both."""
    made = Town(line)
    await made.sells("W1", "0001")
    await made.writes("lin", proves=("W1",), tickets=(complaint("TK1"),))
    await made.writes("tg-lin", "telegram", proves=("W1",), tickets=(complaint("TK2"),))
    return made


async def test_link_and_its_undoing_are_whole_or_not_there(town: Town, database_url: str):
    """Killed before one change after the other; what is there afterwards is the picture before, or the one after."""
    before = await town.picture()
    events = await town.line.count(EVENTS)
    killed = [run(database_url, "link", place) for place in PLACES if await unchanged(town, before, events)]
    assert sum(killed) >= 2
    await town.linking.run_due()
    linked = await town.picture()
    assert linked != before
    assert await town.line.count(LINKS) == 1
    (link,) = await town.line.rows(LINKS)
    events = await town.line.count(EVENTS)
    killed = [run(database_url, link["id"], place) for place in PLACES if await unchanged(town, linked, events)]
    assert sum(killed) >= 2
    if (await town.line.rows(LINKS))[0]["undone_at"] is None:
        assert not run(database_url, link["id"], 1000)
    assert await town.picture() == before


async def unchanged(town: Town, picture: dict[str, tuple[object, ...]], events: int) -> bool:
    """Tell whether the last run left nothing behind; what was done whole is the end of the tries."""
    return await town.picture() == picture and await town.line.count(EVENTS) == events
