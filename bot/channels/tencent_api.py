"""Calling WeChat's and WeCom's APIs: one token for all, renewed once when the platform no longer takes it.

Source: https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html and
https://developer.work.weixin.qq.com/document/path/90313 (return codes).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from bot.channels._api import Answer, Lost, Unreached, call, open_http
from bot.channels.fetching import MediaHosts, MediaHttp
from bot.channels.reading import text_of
from bot.channels.tencent_media import HOSTS, TOKEN_CODES, TemporaryMedia
from bot.channels.vault import Fetched, TokenRefused, TokenVault
from bot.domain.channel_ports import Deferred, Delivery, Failed, Refusal, Refused, Sent
from bot.domain.clock import Clock
from bot.domain.media import OutgoingFile
from bot.domain.shared_ports import TokenShelf


@dataclass(frozen=True, slots=True)
class TencentAccount:
    """Whose API is called: ``name`` is its token's on the shelf, ``platform`` what sentences call it.

    ``token_request`` makes the request for a token (True: for another than the last one); with the codes
    ``wrong_credentials`` asking again cannot help.
    """

    name: str
    platform: str
    api_url: str
    token_request: Callable[[httpx.AsyncClient, bool], httpx.Request]
    wrong_credentials: frozenset[int]


@dataclass(frozen=True, slots=True)
class ReturnCodes:
    """What the codes of a platform mean for a message: refused for ever, wait so many seconds, or try again."""

    platform: str
    refused: Mapping[int, tuple[Refusal, str]]
    waits_s: Mapping[int, float]
    retried: Mapping[int, str] = field(default_factory=dict)

    def weigh(self, code: int, platform_id: str = "") -> Delivery:
        """Decide what became of a message; 0 is sent."""
        if code == 0:
            return Sent(platform_id)
        if code in self.refused:
            kind, why = self.refused[code]
            return Refused(f"{why} (errcode {code})", kind)
        if code in self.waits_s:
            return Deferred(self.waits_s[code], f"{self.platform} asks to wait (errcode {code})")
        why = self.retried.get(code, f"{self.platform} does not take the message")
        return Failed(f"{why} (errcode {code})", retryable=code in TOKEN_CODES or code in self.retried)


class TencentApi:
    """The API of one account; ``shelf`` keeps its token, ``transport`` replaces the network in tests."""

    def __init__(
        self,
        account: TencentAccount,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        shelf: TokenShelf | None = None,
    ) -> None:
        self._account = account
        self._http = open_http(account.api_url, transport)
        self._vault = TokenVault(account.name, self._fetch, clock, shelf)
        http = MediaHttp(MediaHosts(account.api_url, HOSTS), transport)
        self.media = TemporaryMedia(account.api_url, self._vault, http)
        self.download = self.media.download

    async def call(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Post JSON to ``path``; the answer always has an ``errcode``.

        Raises Unreached (not carried out), Lost (perhaps carried out) or TokenRefused.
        """
        # Escaped characters (\\uXXXX) would be shown as they are: the body has to be plain UTF-8.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json; charset=utf-8"}

        async def post(token: str) -> dict[str, Any]:
            query = {"access_token": token}
            request = self._http.build_request("POST", path, params=query, content=content, headers=headers)
            return self._with_code(await call(self._http, request))

        return await self._with_token(post)

    async def upload(self, kind: str, file: OutgoingFile) -> Mapping[str, Any]:
        """Upload temporary media (``image``, ``voice``, ``video``, ``file``); the answer has its ``media_id``.

        Raises Unreached or TokenRefused; what is uploaded and not sent is harmless.
        """

        async def post(token: str) -> dict[str, Any]:
            query = {"access_token": token, "type": kind}
            files = {"media": (file.name, file.data, file.mime)}
            request = self._http.build_request("POST", "/cgi-bin/media/upload", params=query, files=files)
            return await self._harmless(request)

        return await self._with_token(post)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self.media.close()

    async def _with_token(self, post: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        token = await self._vault.token()
        answer = await post(token)
        if answer["errcode"] in TOKEN_CODES:
            answer = await post(await self._vault.replace(token))
        return answer

    async def _fetch(self, force: bool) -> Fetched:
        answer = await self._harmless(self._account.token_request(self._http, force))
        token, lasts = text_of(answer, "access_token"), answer.get("expires_in")
        if not token:
            code = answer["errcode"]
            reason = f"{self._account.platform} gives no access token (errcode {code})"
            raise TokenRefused(reason, lasting=code in self._account.wrong_credentials)
        return Fetched(token, lasts if isinstance(lasts, int) else 0)

    async def _harmless(self, request: httpx.Request) -> dict[str, Any]:
        """Make a call that sends nothing to anybody: when its answer is lost it is as if it had not been made."""
        try:
            return self._with_code(await call(self._http, request))
        except Lost as error:
            raise Unreached(str(error)) from error

    def _with_code(self, answer: Answer) -> dict[str, Any]:
        code = answer.data.get("errcode", 0)
        if not answer.good or not answer.data or isinstance(code, bool) or not isinstance(code, int):
            # A gateway's page in place of an answer: nothing was carried out.
            raise Unreached(f"it answered HTTP {answer.status}")
        return {**answer.data, "errcode": code}
