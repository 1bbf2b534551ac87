"""Units on SQLite: answers reach whoever waits, and a short reading waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.domain.errors import StorageError
from storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Open a file with one table."""
    opened = Database(f"sqlite:///{tmp_path}/units.db")
    opened.submit(lambda on: on.execute(text("CREATE TABLE words (word TEXT)")) and None).result()
    yield opened
    opened.close()


def _write(word: str) -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
        return word

    return unit


def _words(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT word FROM words ORDER BY word")).scalars())


async def test_glance_sees_what_is_committed_while_the_writer_is_at_work(database: Database):
    """A reading on the spot neither waits for a unit that is under way nor sees any of it."""
    await database.run(_write("before"))
    inside, finish = threading.Event(), threading.Event()

    def unit(connection: Connection) -> None:
        _write("beside")(connection)
        inside.set()
        finish.wait(60)

    running = database.submit(unit)
    await asyncio.to_thread(inside.wait, 60)
    assert await database.glance(_words) == ["before"]
    finish.set()
    await asyncio.wrap_future(running)
    assert await database.glance(_words) == ["before", "beside"]


async def test_glance_cannot_write(database: Database):
    """A unit that writes where reading was promised is refused, and the next reading works."""
    with pytest.raises(StorageError, match="readonly"):
        await database.glance(_write("never"))
    assert await database.glance(_words) == []


async def test_glance_goes_elsewhere_when_its_connection_is_in_use(database: Database):
    """Two threads at once: the second reading is done by the pool instead of waiting."""
    inside, finish = threading.Event(), threading.Event()

    def slow(connection: Connection) -> list[str]:
        inside.set()
        finish.wait(60)
        return _words(connection)

    first = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(database.glance(slow))))
    await asyncio.to_thread(inside.wait, 60)
    assert await asyncio.wait_for(database.glance(_words), 60) == []
    finish.set()
    assert await first == []


async def test_run_tells_every_loop_of_a_group(database: Database):
    """Callers of several event loops and of none share a group, and each hears of its own unit."""
    gate = threading.Event()
    blocker = database.submit(lambda _connection: gate.wait(60))

    def elsewhere(name: str) -> list[str]:
        async def both() -> list[str]:
            return list(await asyncio.gather(*(database.run(_write(f"{name}{number}")) for number in range(3))))

        return asyncio.run(both())

    here = [asyncio.create_task(database.run(_write(f"here{number}"))) for number in range(3)]
    threads = [asyncio.create_task(asyncio.to_thread(elsewhere, name)) for name in ("a", "b")]
    handed_in = [database.submit(_write(f"sync{number}")) for number in range(3)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*here) == ["here0", "here1", "here2"]
    assert await asyncio.gather(*threads) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    assert [future.result(60) for future in handed_in] == ["sync0", "sync1", "sync2"]
    assert blocker.result(60)
    assert len(await database.glance(_words)) == 12


async def test_run_survives_a_loop_that_was_closed(database: Database):
    """A loop that ended while its unit was being written takes nobody with it."""
    inside, finish = threading.Event(), threading.Event()

    def unit(connection: Connection) -> None:
        inside.set()
        finish.wait(60)
        _write("left")(connection)

    def given_up() -> None:
        async def start() -> None:
            running = asyncio.create_task(database.run(unit))
            await asyncio.to_thread(inside.wait, 60)
            running.cancel()
            await running

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(start())

    ended = asyncio.create_task(asyncio.to_thread(given_up))
    await asyncio.to_thread(inside.wait, 60)
    await ended
    finish.set()
    assert await database.run(_write("next")) == "next"
    assert await database.glance(_words) == ["left", "next"]
