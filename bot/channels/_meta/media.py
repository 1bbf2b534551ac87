"""Fetching what Meta keeps: by id through the Graph API (WhatsApp), by the webhook's address (Messenger, Instagram).

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media (an address good for 5 minutes, to be
asked with the token) and .../docs/messenger-platform/reference/webhook-events/messages (``payload.url``, Meta's CDN).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from bot.channels._api import Lost, Unreached, text_of
from bot.channels._meta.graph import GraphApi, read_error
from bot.channels._meta.settings import MetaSettings
from bot.channels.fetching import MediaHosts, MediaHttp, too_large
from bot.domain.media import MediaFault
from bot.domain.messages import Attachment

HOSTS = ("fbcdn.net", "fbsbx.com", "cdninstagram.com", "whatsapp.net")
_NOT_THERE = frozenset({100, 131052})  # ? 100 with subcode 33: the object does not exist, or not for this token


class MetaMedia:
    """The files of one channel; ``transport`` replaces the network in tests."""

    def __init__(
        self, settings: MetaSettings, graph: GraphApi, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._token = settings.token
        self._graph = graph
        self._http = MediaHttp(MediaHosts(settings.api_url, HOSTS), transport)

    @asynccontextmanager
    async def by_address(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open what the webhook gave an address of; MediaFault when it cannot be had."""
        del account
        async with self._http.get(attachment.reference, most_bytes) as (_, chunks):
            yield chunks

    @asynccontextmanager
    async def by_id(self, account: str, attachment: Attachment, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open what has an id: its address is asked for first, for it is good for minutes only."""
        del account
        address = await self._address(attachment.reference, most_bytes)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._http.get(address, most_bytes, headers) as (_, chunks):
            yield chunks

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _address(self, number: str, most_bytes: int) -> str:
        if not number.isascii() or not number.isdigit():
            raise MediaFault("its id is no number", lasting=True)
        try:
            answer = await self._graph.get(number)
        except (Unreached, Lost) as error:
            raise MediaFault(f"Meta cannot be reached: {error}") from None
        if not answer.good:
            code = read_error(answer).code
            raise MediaFault(f"Meta does not give it out (error {code})", lasting=code in _NOT_THERE)
        size = text_of(answer.data, "file_size")
        if size.isdigit() and int(size) > most_bytes:
            raise too_large(most_bytes)
        return text_of(answer.data, "url")
