"""Attachments when two things happen at once: erasures, tidying, full discs, ends of processes, slow platforms."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, text

from bot.domain.clock import ManualClock, SystemClock
from bot.domain.errors import NotFound, StorageError
from bot.domain.ids import ConversationId
from bot.domain.media import Erasure, MediaId, MediaLimits, MediaShelf, MediaState
from bot.domain.media_types import KNOWN_TYPES
from bot.domain.messages import Attachment
from bot.engine.live import MemoryLiveFeed
from bot.engine.media import WAITS_S, MediaCollector, MediaParts
from storage import shelves
from storage.database import Database
from storage.media import SqlMediaRecord
from storage.shelves import PIECE_BYTES, FolderShelf, SqlShelf, put_pieces
from storage.tables import MEDIA_PIECES
from tests.contract.line import NOW, Line
from tests.contract.test_media import PICTURE, Platform, collector, customer_of, everything, files, pieces, send

LATER = timedelta(days=9000)
WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture(params=["folder", "database"])
def shelf(request: pytest.FixtureRequest, line: Line, tmp_path: Path) -> MediaShelf:
    """Give each kind of shelf, by the clock on the wall: files have no other."""
    return FolderShelf(tmp_path / "media") if request.param == "folder" else SqlShelf(line.database, SystemClock())


class ErasedBetween(SqlMediaRecord):
    """A record in which an erasure of somebody else comes just before an attachment is recorded as kept."""

    def __init__(self, line: Line, shelf: MediaShelf, wish: Erasure) -> None:
        super().__init__(line.database)
        self._shelf, self._wish = shelf, wish

    async def stored(self, media_id: MediaId, content: str, mime: str, size: int) -> None:
        """Erase, then record."""
        gone = await self.forget_customer(self._wish)
        for each in gone.contents:
            await self._shelf.drop(each, datetime.now(UTC) + timedelta(seconds=1))
        await super().stored(media_id, content, mime, size)


async def test_picture_two_customers_sent_survives_an_erasure_that_meets_its_fetch(line: Line, shelf: MediaShelf):
    """The bytes go between the fetch and its record; they are fetched again, and the other one keeps his picture."""
    platform, clock = Platform({"a": PICTURE, "b": PICTURE}), ManualClock(NOW)
    first = await send(line, "m1", "a")
    await collector(line, shelf, platform, clock).collect()
    second = await send(line, "m2", "b", who="mei")
    wish = Erasure(await customer_of(line, first), await line.hire("zhao"), "asked for", NOW)
    parts = MediaParts(
        ErasedBetween(line, shelf, wish),
        shelf,
        MediaLimits(types=frozenset(KNOWN_TYPES)),
        {"web": platform},
        MemoryLiveFeed(),
        clock,
    )
    await MediaCollector(parts).collect()
    await collector(line, shelf, platform, clock).collect()
    (kept,) = await files(line, second)
    assert kept.state is MediaState.STORED
    assert await everything(shelf, kept.content) == PICTURE


async def test_content_that_was_needed_meanwhile_is_not_dropped(shelf: MediaShelf):
    """Who touches it before the drop keeps it; who touches it afterwards is told that it is gone."""
    content = await shelf.put(pieces(PICTURE))
    began = datetime.now(UTC) + timedelta(milliseconds=30)
    await asyncio.sleep(0.06)
    assert await shelf.touch(content)
    await shelf.drop(content, began)
    assert await everything(shelf, content) == PICTURE
    await shelf.drop(content, datetime.now(UTC) + timedelta(seconds=1))
    assert not await shelf.touch(content)
    with pytest.raises(NotFound):
        await everything(shelf, content)


async def test_file_that_comes_again_while_it_is_tidied_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the look at its age and its removal the same content is put again."""
    shelf = FolderShelf(tmp_path)
    content = await shelf.put(pieces(PICTURE))
    threads: list[threading.Thread] = []

    def puts_again(place: Path) -> datetime:
        age = datetime.fromtimestamp(place.stat().st_mtime, UTC)
        threads.append(threading.Thread(target=lambda: asyncio.run(put_again(shelf))))
        threads[-1].start()
        threads[-1].join(0.3)
        return age

    monkeypatch.setattr(shelves, "_kept_at", puts_again)
    await shelf.drop(content, datetime.now(UTC) + LATER)
    threads[0].join(60)
    assert await everything(shelf, content) == PICTURE


async def put_again(shelf: FolderShelf) -> None:
    """Put the picture."""
    await shelf.put(pieces(PICTURE))


async def test_slow_platform_holds_up_only_its_own_attachment(line: Line, shelf: MediaShelf):
    """Nine come while one drips: a place is taken, not the whole line."""
    platform = Stalling({f"p{n}": PICTURE + bytes([n]) for n in range(9)})
    conversation = await send(line, "m1", "slow", *platform.holds)
    limits = MediaLimits(types=frozenset(KNOWN_TYPES))
    record = SqlMediaRecord(line.database)
    working = MediaCollector(
        MediaParts(record, shelf, limits, {"web": platform}, MemoryLiveFeed(), ManualClock(NOW)), poll_s=0.01
    )
    await working.start()
    try:
        async with asyncio.timeout(30):
            while sum(one.state is MediaState.STORED for one in await files(line, conversation)) < 9:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert platform.asked.count("slow") == 1
    finally:
        await working.stop()
    assert platform.left == 1
    assert sum(file.state is MediaState.WAITING for file in await files(line, conversation)) == 1


class Stalling(Platform):
    """A platform that never answers for one thing; ``left`` counts who gave up waiting."""

    def __init__(self, holds: dict[str, bytes]) -> None:
        super().__init__(holds)
        self.left = 0

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Wait for ever, or give it."""
        if attachment.reference == "slow":
            self.asked.append("slow")
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1
        async with super().download(account, attachment, most_bytes) as chunks:
            yield chunks


@pytest.mark.parametrize("at", ["_create", "_finish", "replace"])
async def test_full_disc_leaves_nothing_and_is_tried_again(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
):
    """Wherever the disc says no: no half file under a content's name, a reason on record, and then it comes."""
    shelf, clock = FolderShelf(tmp_path / "media"), ManualClock(NOW)
    conversation = await send(line, "m1", "a")
    with monkeypatch.context() as full:
        place = Path if at == "replace" else shelves
        full.setattr(place, at, after(shelves._finish) if at == "_finish" else refuses)
        await collector(line, shelf, Platform({"a": PICTURE}), clock).collect()
    (file,) = await files(line, conversation)
    assert (file.state, file.reason) == (MediaState.WAITING, "the shop's disc cannot be written")
    assert shelf.contents() == ()
    await shelf.kept_before(datetime.now(UTC) + LATER)
    assert not [place for place in (tmp_path / "media").rglob("*") if place.is_file() and place.name != ".lock"]
    clock.advance(timedelta(seconds=WAITS_S[0]))
    await collector(line, shelf, Platform({"a": PICTURE}), clock).collect()
    assert (await files(line, conversation))[0].state is MediaState.STORED


def refuses(*_: object) -> None:
    """Fail as a full disc does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def after(work: Callable[..., Any]) -> Callable[..., Any]:
    """Do the work, then fail as a full disc does."""

    def done(*given: object) -> None:
        work(*given)
        refuses()

    return done


async def test_full_disc_is_an_error_of_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who uploads is told so."""
    monkeypatch.setattr(shelves, "_create", refuses)
    with pytest.raises(StorageError, match="No space left"):
        await FolderShelf(tmp_path).put(pieces(PICTURE))


async def test_file_of_a_killed_process_goes_and_one_being_written_stays(tmp_path: Path):
    """What is half written has no content's name; the old goes with the next tidying."""
    shelf = FolderShelf(tmp_path)
    content = await shelf.put(pieces(PICTURE))
    old, new = tmp_path / "unfinished" / "old", tmp_path / "unfinished" / "new"
    for place in (old, new):
        place.write_bytes(PICTURE[:1000])
    os.utime(old, (0, 0))
    assert await shelf.kept_before(datetime.now(UTC) - timedelta(hours=24)) == ()
    assert (old.exists(), new.exists(), shelf.contents()) == (False, True, (content,))


async def test_attachment_that_ends_its_process_each_time_is_given_up(line: Line, shelf: MediaShelf):
    """Nobody settles it; after some tries nobody asks for it by himself any more."""
    record, clock, platform = SqlMediaRecord(line.database), ManualClock(NOW), Platform({"a": PICTURE})
    conversation = await send(line, "m1", "a")
    for _ in range(len(WAITS_S) + 4):
        assert len(await record.claim(clock.now(), 300, 4)) == 1
        clock.advance(timedelta(seconds=301))
    await collector(line, shelf, platform, clock).collect()
    (file,) = await files(line, conversation)
    assert (file.state, platform.asked) == (MediaState.FAILED, [])
    assert await record.retry(file.id, clock.now())


async def test_backup_leaves_out_what_is_erased_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The rest is there, and no half copy of the other."""
    shelf = FolderShelf(tmp_path / "media")
    content = await shelf.put(pieces(PICTURE))
    erased = "0" * 64
    monkeypatch.setattr(shelf, "contents", lambda: (erased, content))
    assert shelf.copy_to(tmp_path / "copy") == 1
    assert FolderShelf(tmp_path / "copy").contents() == (content,)


async def test_many_pictures_at_once_come_one_by_one_and_once_each(line: Line, shelf: MediaShelf):
    """An album of thirty, taken by two processes side by side."""
    platform = Platform({f"p{n}": PICTURE[:5000] + bytes([n]) for n in range(30)})
    conversation: ConversationId = await send(line, "m1", *platform.holds)
    clock = ManualClock(NOW)
    two = [collector(line, shelf, platform, clock) for _ in range(2)]
    while sum(await asyncio.gather(*(each.collect() for each in two))):
        pass
    assert sorted(platform.asked) == sorted(platform.holds)
    assert {file.state for file in await files(line, conversation)} == {MediaState.STORED}


async def test_storm_of_puts_touches_and_drops_leaves_a_whole_content_or_none(shelf: MediaShelf):
    """Whatever meets, what can be read is whole; and what is put last is there."""
    content = await shelf.put(pieces(PICTURE))

    async def drop(after_s: float) -> None:
        await asyncio.sleep(after_s)
        await shelf.drop(content, datetime.now(UTC) + LATER)

    async def look() -> None:
        try:
            assert await everything(shelf, content) in {PICTURE, b""}
        except NotFound:
            return

    for _ in range(3):
        storm = [shelf.put(pieces(PICTURE)) for _ in range(4)]
        await asyncio.gather(*storm, *(drop(n / 500) for n in range(4)), shelf.touch(content), shelf.touch(content))
    await asyncio.gather(*(look() for _ in range(3)))
    assert await shelf.put(pieces(PICTURE)) == content
    assert await everything(shelf, content) == PICTURE


async def test_content_that_lost_a_piece_is_whole_again_when_it_comes_again(database: Database):
    """Nobody would ever see it again if only its coming were noted."""
    shelf = SqlShelf(database, ManualClock(NOW))
    whole = bytes(range(256)) * (3 * PIECE_BYTES // 256)
    content = await shelf.put(pieces(whole))
    await database.run(lambda on: on.execute(delete(MEDIA_PIECES).where(MEDIA_PIECES.c.number == 0)))
    assert await shelf.put(pieces(whole)) == content
    assert await everything(shelf, content) == whole


@pytest.mark.postgresql
async def test_drop_waits_for_the_end_of_a_put_it_meets(postgresql_url: str):
    """Else it would take the pieces another process has just kept, and the put would add the rest to nothing."""
    database = Database(postgresql_url)
    shelf, content = SqlShelf(database, SystemClock()), sha256(PICTURE).hexdigest()
    begun, may_end = threading.Event(), threading.Event()

    def put(on: Connection) -> None:
        put_pieces(on, content, PICTURE, NOW)
        begun.set()
        may_end.wait()

    putting = asyncio.create_task(asyncio.to_thread(_in_one_commit, database, put))
    await asyncio.to_thread(begun.wait)
    dropping = asyncio.create_task(shelf.drop(content))
    while not dropping.done() and not await database.read(lambda on: on.scalar(text(WAITING))):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    may_end.set()
    await asyncio.gather(putting, dropping)
    with pytest.raises(NotFound):
        await everything(shelf, content)
    database.close()


def _in_one_commit(database: Database, work: Callable[[Connection], None]) -> None:
    with database.engine.begin() as connection:
        work(connection)
