"""Attachments: kept by what they hold, fetched in the background once their message is on record, tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.media import (
    Kept,
    MediaFault,
    MediaFile,
    MediaId,
    MediaLimits,
    MediaRecord,
    MediaRefused,
    MediaShelf,
    MediaSource,
    MediaState,
)
from bot.domain.media_reasons import size_mb, tell
from bot.domain.media_types import HEAD_BYTES, kind_of, sniff
from bot.domain.messages import MessageKind, Sender
from bot.domain.ports import LiveFeed
from bot.engine import live
from bot.engine.faults import describe

_LOG = logging.getLogger(__name__)
WAITS_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds before each further try; after the last the attachment counts as not fetched."""
_LEASE_S = 300.0
_AT_ONCE = 4
_MOST_CRASHES = 3
"""So many more tries than failures on record: each ended with its process, and the next would too."""
_TIDY_EVERY = timedelta(hours=1)
_UNUSED_FOR = timedelta(hours=24)


class MediaKeeper:
    """Puts streams on the shelf after looking at what they are (the port ``KeepMedia``)."""

    def __init__(self, shelf: MediaShelf, limits: MediaLimits) -> None:
        self.limits = limits
        self._shelf = shelf

    async def keep(self, chunks: AsyncIterator[bytes], kind: MessageKind | None = None) -> Kept:
        """Keep a stream; MediaRefused when its type or size is not taken. ``kind`` as it was said to be."""
        inspected = _Inspected(chunks, kind, self.limits)
        content = await self._shelf.put(inspected.stream())
        return Kept(content, inspected.mime, inspected.size)


class ShopperRoom:
    """What a shopper's own page may do with attachments: give some, and see those of its conversations."""

    def __init__(self, record: MediaRecord, shelf: MediaShelf, keeper: MediaKeeper) -> None:
        self._record = record
        self.read = shelf.read
        self.keep = keeper.keep

    async def of_shopper(self, sender: Sender, media_id: MediaId) -> MediaFile:
        """Find an attachment of this shopper's own conversations; NotFound otherwise."""
        return await self._record.of_shopper(sender, media_id)


class _Inspected:
    """A stream that is stopped when it is not what we take; ``mime`` and ``size`` are right once it is read."""

    def __init__(self, chunks: AsyncIterator[bytes], kind: MessageKind | None, limits: MediaLimits) -> None:
        self._chunks = chunks
        self._kind = kind
        self._limits = limits
        self.mime = ""
        self.size = 0

    async def stream(self) -> AsyncIterator[bytes]:
        """Pass the bytes on; MediaRefused as soon as they show that they are not taken."""
        head = bytearray()
        most = 0
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.mime:
                self._check_size(most)
                yield chunk
                continue
            head += chunk
            if len(head) >= HEAD_BYTES:
                most = self._judge(bytes(head))
                yield bytes(head)
        if not self.mime:
            self._judge(bytes(head))
            yield bytes(head)

    def _judge(self, head: bytes) -> int:
        """Tell the type by the bytes; give the largest size that such a thing may have."""
        if not head:
            raise MediaRefused(tell("empty"))
        self.mime = sniff(head[:HEAD_BYTES])
        if not self._limits.takes(self.mime):
            raise MediaRefused(tell("type", type=self.mime))
        real = self._limits.largest_of(kind_of(self.mime))
        most = min(real, self._limits.largest_of(self._kind)) if self._kind else real
        self._check_size(most)
        return most

    def _check_size(self, most: int) -> None:
        if self.size > most:
            raise MediaRefused(tell("too_large", mb=size_mb(most)))


@dataclass(frozen=True, slots=True)
class MediaParts:
    """What fetching works with; ``sources`` by channel."""

    record: MediaRecord
    shelf: MediaShelf
    limits: MediaLimits
    sources: Mapping[str, MediaSource]
    live: LiveFeed
    clock: Clock


class MediaCollector:
    """Fetches what waits; any number of processes may do so side by side."""

    def __init__(self, parts: MediaParts, poll_s: float = 1.0) -> None:
        """Look for new attachments every ``poll_s`` seconds."""
        self._parts = parts
        self._keeper = MediaKeeper(parts.shelf, parts.limits)
        self._poll_s = poll_s
        self._tidied_at = parts.clock.now()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="media")

    async def stop(self) -> None:
        """Stop; what is half fetched is fetched again when its lease is over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def collect(self) -> int:
        """Fetch what is due now; tell how many attachments were tried."""
        due = await self._parts.record.claim(self._parts.clock.now(), _LEASE_S, _AT_ONCE)
        await asyncio.gather(*(self._fetch(file) for file in due))
        return len(due)

    async def tidy(self) -> int:
        """Drop the bytes that no attachment has had for a day; tell how many contents."""
        before = self._parts.clock.now() - _UNUSED_FOR
        unneeded = await self._parts.record.unneeded(await self._parts.shelf.kept_before(before))
        for content in unneeded:
            await self._parts.shelf.drop(content, before)
        return len(unneeded)

    async def _run(self) -> None:
        lanes: set[asyncio.Task[None]] = set()
        try:
            while True:
                lanes |= await self._begin(_AT_ONCE - len(lanes))
                if not lanes:
                    await asyncio.sleep(self._poll_s)
                    continue
                # One that is slow keeps its own place and nobody else's.
                _, lanes = await asyncio.wait(lanes, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _begin(self, most: int) -> set[asyncio.Task[None]]:
        """Begin to fetch up to ``most`` of what is due, and tidy when it is time."""
        try:
            due = await self._parts.record.claim(self._parts.clock.now(), _LEASE_S, most) if most else ()
            if self._parts.clock.now() - self._tidied_at >= _TIDY_EVERY:
                self._tidied_at = self._parts.clock.now()
                await self.tidy()
        except Exception as problem:  # noqa: BLE001 - the next look tries again
            _LOG.error("looking for attachments failed: %s", describe(problem))
            return set()
        return {asyncio.create_task(self._fetch_alone(file), name=f"media-{file.id}") for file in due}

    async def _fetch_alone(self, file: MediaFile) -> None:
        try:
            await self._fetch(file)
        except Exception as problem:  # noqa: BLE001 - it is tried again when its lease is over
            _LOG.error("attachment %s could not be put on record: %s", file.id, describe(problem))

    async def _fetch(self, file: MediaFile) -> None:
        try:
            kept = await self._load(file)
        except MediaFault as fault:
            await self._settle(file, fault)
        except StorageError as problem:
            _LOG.error("attachment %s was not kept: %s", file.id, problem)
            await self._settle(file, MediaFault(tell("disc")))
        except Exception as problem:  # noqa: BLE001 - whatever it is, the others must not suffer
            _LOG.error("attachment %s was not fetched: %s", file.id, describe(problem))
            await self._settle(file, MediaFault(tell("our_side", problem=type(problem).__name__)))
        else:
            await self._put_on_record(file, kept)
        for bell in live.changed(file.conversation_id):
            await self._parts.live.publish(bell)

    async def _put_on_record(self, file: MediaFile, kept: Kept) -> None:
        """Record it; when its bytes were erased with somebody else's just before, it is fetched once more."""
        await self._parts.record.stored(file.id, kept.content, kept.mime, kept.size)
        if not await self._parts.shelf.touch(kept.content):
            await self._parts.record.wait(file.id, self._parts.clock.now(), "")

    async def _load(self, file: MediaFile) -> Kept:
        if file.tries > len(WAITS_S) + _MOST_CRASHES:
            raise MediaFault(tell("crashed", times=file.tries), lasting=True)
        source = self._parts.sources.get(file.channel)
        if source is None:
            raise MediaFault(tell("switched_off", channel=file.channel))
        kind = file.attachment.kind
        most = self._parts.limits.largest_of(kind)
        async with source.download(file.account, file.attachment, most) as chunks:
            return await self._keeper.keep(chunks, kind)

    async def _settle(self, file: MediaFile, fault: MediaFault) -> None:
        record = self._parts.record
        if isinstance(fault, MediaRefused):
            await record.give_up(file.id, MediaState.REFUSED, fault.reason)
        elif fault.lasting or file.tries >= len(WAITS_S):
            await record.give_up(file.id, MediaState.FAILED, fault.reason)
        else:
            wait_s = max(WAITS_S[file.tries], fault.after_s)
            await record.wait(file.id, self._parts.clock.now() + timedelta(seconds=wait_s), fault.reason)
