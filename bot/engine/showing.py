"""Attachments of agents at a public address, for platforms that take pictures in no other way.

An address names one attachment and the time it ends, sealed with a key of ours: it cannot be guessed, made longer or
turned to another attachment, and no list of addresses exists. Only what an agent has sent is ever shown by one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import timedelta

from bot.domain.clock import Clock
from bot.domain.errors import NotFound
from bot.domain.media import MediaFile, MediaId, MediaRecord, MediaShelf, PublicFile
from bot.domain.media_types import ENDINGS, SHOWN_TYPES
from bot.domain.messages import Attachment

PATH = "/shown"
GOOD_FOR = timedelta(days=7)
"""At least so long; LINE fetches a picture when its reader first looks at it, which may be days later."""
_DAY_S = 24 * 60 * 60
_TOKEN = re.compile(r"([0-9a-f]{24})-([0-9]{1,12})-([0-9a-f]{64})(?:\.[a-z0-9]{2,5})?", re.ASCII)


class Seal:
    """Signs and checks the last part of addresses with a key derived from the house's secret."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._key = hmac.new(secret.encode(), b"xiaoer: addresses of attachments", hashlib.sha256).digest()
        self._clock = clock

    def sign(self, media: MediaId) -> str:
        """Give the token of an attachment, the same all day so that a repeated call is the same call."""
        day = int(self._clock.now().timestamp()) // _DAY_S
        ends_at = (day + 1) * _DAY_S + int(GOOD_FOR.total_seconds())
        return f"{media}-{ends_at}-{self._signature(media, str(ends_at))}"

    def check(self, token: str) -> MediaId | None:
        """Give the attachment of a token; None when it is not ours, was changed, or its time is over."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        media = MediaId(found[1])
        right = hmac.compare_digest(self._signature(media, found[2]), found[3])
        return media if right and self._clock.now().timestamp() < int(found[2]) else None

    def _signature(self, media: MediaId, ends_at: str) -> str:
        return hmac.new(self._key, f"{media}-{ends_at}".encode(), hashlib.sha256).hexdigest()


class ShowRoom:
    """Gives agents' pictures an address under ``base`` (https, without a slash at its end), and shows them there."""

    def __init__(self, record: MediaRecord, shelf: MediaShelf, seal: Seal, base: str) -> None:
        self._record = record
        self._shelf = shelf
        self._seal = seal
        self._base = base

    async def address(self, attachment: Attachment) -> PublicFile:
        """Give a picture of an agent its address (the port ``ShowFile``); NotFound when it is none, or erased."""
        file = await self._picture(MediaId(attachment.reference))
        url = f"{self._base}{PATH}/{self._seal.sign(file.id)}{ENDINGS.get(file.mime, '')}"
        return PublicFile(url, file.mime, file.size)

    async def open(self, token: str) -> MediaFile:
        """Find what an address shows; NotFound, always the same, when it shows nothing (any more)."""
        media = self._seal.check(token)
        if media is None:
            raise NotFound("nothing is shown at this address")
        return await self._picture(media)

    def read(self, file: MediaFile) -> AsyncIterator[bytes]:
        """Stream its bytes."""
        return self._shelf.read(file.content)

    async def _picture(self, media: MediaId) -> MediaFile:
        file = await self._record.sent_by_agent(media)
        if file.mime not in SHOWN_TYPES:
            raise NotFound(f"the attachment {media!r} is no picture that may be shown")
        return file
