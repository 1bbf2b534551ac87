"""Fetching temporary media, the same call at WeChat and at WeCom: an access token, an id, and bytes or an error's JSON.

Source: https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/Get_temporary_materials.html (a film comes as
``video_url``) and https://developer.work.weixin.qq.com/document/path/90254; both keep things for three days.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bot.channels._api import Lost, Unreached
from bot.channels.fetching import MediaHttp
from bot.channels.reading import text_of
from bot.channels.vault import TokenRefused, TokenVault
from bot.domain.media import MediaFault
from bot.domain.messages import Attachment

HOSTS = ("qq.com", "qpic.cn", "wechat.com")
TOKEN_CODES = frozenset({40001, 40014, 41001, 42001})
_NOT_THERE = frozenset({40007, 40004, 40009, 41006, 45001})
_MOST_JSON_BYTES = 64 * 1024
_JSON_TYPES = frozenset({"application/json", "text/plain"})


class TemporaryMedia:
    """The temporary media of one account."""

    def __init__(self, api_url: str, vault: TokenVault, http: MediaHttp) -> None:
        self._address = f"{api_url.rstrip('/')}/cgi-bin/media/get"
        self._vault = vault
        self._http = http

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a thing as a stream of its bytes; MediaFault when it cannot be had. A token that is over is renewed."""
        del account
        token = await self._token("")
        async with self._opened(token, attachment.reference, most_bytes) as found:
            if not isinstance(found, dict):
                yield found
                return
        if found.get("errcode") in TOKEN_CODES:
            async with self._opened(await self._token(token), attachment.reference, most_bytes) as again:
                if not isinstance(again, dict):
                    yield again
                    return
            found = again
        async with self._http.get(_film(found), most_bytes) as (_, chunks):
            yield chunks

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    @asynccontextmanager
    async def _opened(
        self, token: str, media_id: str, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes] | dict[str, Any]]:
        """Ask once: the bytes, or the JSON that came in their place."""
        query = {"access_token": token, "media_id": media_id}
        async with self._http.get(self._address, most_bytes, params=query) as (headers, chunks):
            yield await _read_json(chunks) if _is_json(headers) else chunks

    async def _token(self, refused: str) -> str:
        try:
            return await (self._vault.replace(refused) if refused else self._vault.token())
        except TokenRefused as error:
            raise MediaFault(error.reason) from None
        except (httpx.HTTPError, ValueError, Unreached, Lost) as error:
            raise MediaFault(f"no access token can be had: {type(error).__name__}") from None


def _is_json(headers: httpx.Headers) -> bool:
    """Tell an error from a file that happens to be text: a file always comes with its name."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _JSON_TYPES and "content-disposition" not in headers


async def _read_json(chunks: AsyncIterator[bytes]) -> dict[str, Any]:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > _MOST_JSON_BYTES:
            break
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _film(answer: dict[str, Any]) -> str:
    """Give the address of a film, always over https; MediaFault when the answer is an error."""
    address = text_of(answer, "video_url")
    if address:
        return address.replace("http://", "https://", 1) if address.startswith("http://") else address
    code = answer.get("errcode", "missing")
    raise MediaFault(f"the platform does not give it out (errcode {code})", lasting=code in _NOT_THERE)
