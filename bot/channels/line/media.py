"""Fetching what people send on LINE, from the host that serves content.

Source: https://developers.line.biz/en/reference/messaging-api/#get-content (202 while a film or sound is prepared; 410
or 404 once it is gone).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from bot.channels.fetching import MediaHosts, MediaHttp
from bot.channels.line.settings import DEFAULT_API_URL, LineSettings
from bot.domain.media import MediaFault
from bot.domain.messages import Attachment

_DATA_URL = "https://api-data.line.me"


class LineMedia:
    """The content of one account's messages; ``transport`` replaces the network in tests."""

    def __init__(self, settings: LineSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        api = settings.api_url.rstrip("/")
        self._base = _DATA_URL if api == DEFAULT_API_URL else api
        self._headers = {"Authorization": f"Bearer {settings.access_token}"}
        self._http = MediaHttp(MediaHosts(self._base), transport)

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a message's content as a stream of its bytes; MediaFault when it cannot be had."""
        del account
        number = attachment.reference
        if not number.isascii() or not number.isdigit():
            raise MediaFault("its id is no number", lasting=True)
        address = f"{self._base}/v2/bot/message/{number}/content"
        async with self._http.get(address, most_bytes, self._headers) as (_, chunks):
            yield chunks

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
