"""Fetching what Meta keeps: by id through the Graph API (WhatsApp), by the webhook's address (Messenger, Instagram).

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media (an address good for 5 minutes, to be
asked with the token) and .../docs/messenger-platform/reference/webhook-events/messages (``payload.url``, Meta's CDN).
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from bot.channels._api import Lost, Unreached
from bot.channels._meta.graph import GraphApi, read_error
from bot.channels._meta.settings import MetaSettings
from bot.channels.fetching import Downloads, MediaHosts, check_number, too_large
from bot.channels.reading import text_of
from bot.domain.media import MediaFault

HOSTS = ("fbcdn.net", "fbsbx.com", "cdninstagram.com", "whatsapp.net")
_NOT_THERE = frozenset({100, 131052})  # ? 100 with subcode 33: the object does not exist, or not for this token


def by_address(settings: MetaSettings, transport: httpx.AsyncBaseTransport | None = None) -> Downloads:
    """Fetch what the webhook gave an address of."""

    async def find(address: str, _most_bytes: int) -> tuple[str, Mapping[str, str]]:
        return address, {}

    return Downloads(MediaHosts(settings.api_url, HOSTS), find, transport)


def by_id(settings: MetaSettings, graph: GraphApi, transport: httpx.AsyncBaseTransport | None = None) -> Downloads:
    """Fetch what has an id: its address is asked for first, for it is good for minutes only."""

    async def find(number: str, most_bytes: int) -> tuple[str, Mapping[str, str]]:
        return await _address(graph, number, most_bytes), {"Authorization": f"Bearer {settings.token}"}

    return Downloads(MediaHosts(settings.api_url, HOSTS), find, transport)


async def _address(graph: GraphApi, number: str, most_bytes: int) -> str:
    check_number(number)
    try:
        answer = await graph.get(number)
    except (Unreached, Lost) as error:
        raise MediaFault(f"Meta cannot be reached: {error}") from None
    if not answer.good:
        code = read_error(answer).code
        raise MediaFault(f"Meta does not give it out (error {code})", lasting=code in _NOT_THERE)
    size = text_of(answer.data, "file_size")
    if size.isdigit() and int(size) > most_bytes:
        raise too_large(most_bytes)
    return text_of(answer.data, "url")
