"""Where the bytes of attachments lie, each content once: in files, or in the database that all processes share.

One machine keeps files beside its database. Several processes on PostgreSQL keep pieces in a table: they need no folder
that all machines can reach, one `pg_dump` takes everything along, and a content is there for all at its commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, update

from bot.domain.clock import Clock
from bot.domain.errors import NotFound, StorageError
from storage.database import Database
from storage.tables import MEDIA_PIECES, Upsert

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
_HASH_CHARS = 64
_SHELF_LOCK = 0x786F_0004
_UNFINISHED = "unfinished"
_LOCK = ".lock"
_ADD = Upsert(lambda into: into(MEDIA_PIECES).on_conflict_do_nothing())
_HAS = select(MEDIA_PIECES.c.content).where(MEDIA_PIECES.c.content == bindparam("content")).limit(1)
_PIECE = select(MEDIA_PIECES.c.data).where(
    MEDIA_PIECES.c.content == bindparam("content"), MEDIA_PIECES.c.number == bindparam("number")
)
# Its pieces are many rows: a drop between two of them would leave a content without its beginning.
_ALONE = select(func.pg_advisory_xact_lock(_SHELF_LOCK, func.hashtext(bindparam("content"))))
_TOUCH = update(MEDIA_PIECES).where(MEDIA_PIECES.c.content == bindparam("of_content")).values(kept_at=bindparam("at"))


class FolderShelf:
    """Files named by their content, in two levels of folders; one appears under its name only when it is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        """Keep all of a stream or nothing; give its SHA-256 in hexadecimal. StorageError when it cannot be written."""
        digest = hashlib.sha256()
        part = self.folder / _UNFINISHED / secrets.token_hex(16)
        file = await self._on_disk(_create, part)
        try:
            try:
                async for chunk in chunks:
                    digest.update(chunk)
                    await self._on_disk(file.write, chunk)
            finally:
                await self._on_disk(_finish, file)
            await self._on_disk(self._settle, part, self._place(digest.hexdigest()))
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return digest.hexdigest()

    async def read(self, content: str, start: int = 0) -> AsyncIterator[bytes]:
        """Stream a content's bytes from ``start``; NotFound when it is not there."""
        try:
            file = await asyncio.to_thread(self._place(content).open, "rb")
        except FileNotFoundError:
            raise NotFound(f"the content {content[:12]} is not on the shelf {self.folder}; was it restored?") from None
        with contextlib.closing(file):
            file.seek(start)
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece

    async def drop(self, content: str, before: datetime | None = None) -> None:
        """Forget a content, or leave it when it came again since ``before``; nothing happens when it is not there."""
        place = self._place(content)
        await self._on_disk(self._drop, place, before)

    async def touch(self, content: str) -> bool:
        """Note that a content is needed now; False when it is not there."""
        return await self._on_disk(self._touch, self._place(content))

    async def kept_before(self, moment: datetime) -> tuple[str, ...]:
        """List the contents that last came before a moment; what was never finished by then goes at once."""
        return await asyncio.to_thread(self._kept_before, moment)

    def contents(self) -> tuple[str, ...]:
        """List every content."""
        return tuple(sorted(place.name for place in self.folder.glob("??/??/*") if len(place.name) == _HASH_CHARS))

    def copy_to(self, folder: Path) -> int:
        """Copy every content to another folder, by links where the disk is the same; tell how many are new there."""
        new = 0
        other = FolderShelf(folder)
        for content in self.contents():
            place = other._place(content)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                part = place.with_name(f".{content}.part")
                part.unlink(missing_ok=True)
                # What is erased meanwhile is not copied.
                with contextlib.suppress(FileNotFoundError):
                    _link_or_copy(self._place(content), part)
                    part.replace(place)
                    new += 1
        return new

    async def _on_disk(self, work: Callable[..., T], *given: object) -> T:
        try:
            return await asyncio.to_thread(work, *given)
        except OSError as problem:
            raise StorageError(
                f"{self.folder} cannot be written: {problem.strerror}; make room or mend it"
            ) from problem

    def _settle(self, part: Path, place: Path) -> None:
        """Give a whole file its name; the same content again only gets a new date."""
        place.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            part.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _drop(self, place: Path, before: datetime | None) -> None:
        with self._alone(), contextlib.suppress(FileNotFoundError):
            if before is None or _kept_at(place) < before:
                place.unlink()

    def _touch(self, place: Path) -> bool:
        with self._alone():
            try:
                os.utime(place)
            except FileNotFoundError:
                return False
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread or process name or drop a file meanwhile: what is old must not become new in between."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _kept_before(self, moment: datetime) -> tuple[str, ...]:
        for part in self.folder.glob(f"{_UNFINISHED}/*"):
            with contextlib.suppress(OSError):
                if _kept_at(part) < moment:
                    part.unlink()
        return tuple(content for content in self.contents() if _kept_at(self._place(content)) < moment)

    def _place(self, content: str) -> Path:
        if len(content) != _HASH_CHARS or not content.isalnum():
            raise NotFound(f"{content[:12]!r} is no content's name")
        return self.folder / content[:2] / content[2:4] / content


class SqlShelf:
    """Pieces in the database, all of a content in one commit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        """Keep all of a stream or nothing; give its SHA-256 in hexadecimal."""
        whole = bytearray()
        async for chunk in chunks:
            whole += chunk
        content, at = hashlib.sha256(whole).hexdigest(), self._clock.now()
        await self._database.run(lambda on: put_pieces(on, content, bytes(whole), at))
        return content

    async def read(self, content: str, start: int = 0) -> AsyncIterator[bytes]:
        """Stream a content's bytes from ``start``; NotFound when it is not there."""
        number, skipped = divmod(start, PIECE_BYTES)
        if not await self._database.read(lambda on: on.execute(_HAS, {"content": content}).first()):
            raise NotFound(f"the content {content[:12]} is not in the database; was it erased?")
        while True:
            piece = await self._piece(content, number)
            if piece is None:
                return
            yield piece[skipped:]
            number, skipped = number + 1, 0

    async def _piece(self, content: str, number: int) -> bytes | None:
        values = {"content": content, "number": number}
        found = await self._database.read(lambda on: on.execute(_PIECE, values).scalar())
        return None if found is None else bytes(found)

    async def drop(self, content: str, before: datetime | None = None) -> None:
        """Forget a content, or leave it when it came again since ``before``; nothing happens when it is not there."""
        gone = delete(MEDIA_PIECES).where(MEDIA_PIECES.c.content == content)
        if before is not None:
            gone = gone.where(MEDIA_PIECES.c.kept_at < before)

        def unit(connection: Connection) -> None:
            _be_alone(connection, content)
            connection.execute(gone)

        await self._database.run(unit)

    async def touch(self, content: str) -> bool:
        """Note that a content is needed now; False when it is not there."""
        values = {"of_content": content, "at": self._clock.now()}

        def unit(connection: Connection) -> bool:
            _be_alone(connection, content)
            return bool(connection.execute(_TOUCH, values).rowcount)

        return await self._database.run(unit)

    async def kept_before(self, moment: datetime) -> tuple[str, ...]:
        """List the contents that last came before a moment."""
        old = (
            select(MEDIA_PIECES.c.content)
            .group_by(MEDIA_PIECES.c.content)
            .having(func.max(MEDIA_PIECES.c.kept_at) < moment)
        )
        return tuple(await self._database.read(lambda on: on.execute(old).scalars().all()))


def put_pieces(on: Connection, content: str, whole: bytes, at: datetime) -> None:
    """Keep a content's bytes in pieces; when they are there already, only note that they came again."""
    _be_alone(on, content)
    starts = range(0, max(len(whole), 1), PIECE_BYTES)
    if on.execute(_TOUCH, {"of_content": content, "at": at}).rowcount == len(starts):
        return
    rows = [
        {"content": content, "number": number, "data": whole[start : start + PIECE_BYTES], "kept_at": at}
        for number, start in enumerate(starts)
    ]
    on.execute(_ADD.on(on), rows)


def _be_alone(on: Connection, content: str) -> None:
    """Let no other process put, touch or drop this content until the commit; SQLite has one writer anyway."""
    if on.dialect.name == "postgresql":
        on.execute(_ALONE, {"content": content})


def bring_files(folder: FolderShelf, target: Engine, at: datetime) -> int:
    """Copy every file into a database's table, each in its own commit; tell how many there are."""
    contents = folder.contents()
    for content in contents:
        whole = folder.folder.joinpath(content[:2], content[2:4], content).read_bytes()
        if hashlib.sha256(whole).hexdigest() != content:
            raise StorageError(f"the file of content {content[:12]} is damaged; restore it from a backup or remove it")
        with target.begin() as connection:
            put_pieces(connection, content, whole, at)
    return len(contents)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _create(part: Path) -> BinaryIO:
    part.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _finish(file: BinaryIO) -> None:
    with contextlib.closing(file):
        file.flush()
        os.fsync(file.fileno())


def _kept_at(place: Path) -> datetime:
    return datetime.fromtimestamp(place.stat().st_mtime, UTC)
