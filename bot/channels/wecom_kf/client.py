"""Calling WeCom's API: one token for all, renewed once when the platform no longer takes it.

Source: https://developer.work.weixin.qq.com/document/path/91039 (gettoken: 7200 s, the same token within its life) and
/path/90313 (return codes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from bot.channels._api import TIMEOUT_S, Answer, Lost, Unreached, call, text_of
from bot.channels._http import silence_request_logs
from bot.channels.fetching import MediaHosts, MediaHttp
from bot.channels.tencent_media import HOSTS, TemporaryMedia
from bot.channels.vault import Fetched, TokenRefused, TokenVault
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.domain.clock import Clock
from bot.domain.media import OutgoingFile
from bot.domain.shared_ports import TokenShelf

BUSY = -1
_TOKEN_CODES = frozenset({40001, 40014, 41001, 42001})
_WRONG_CREDENTIALS = frozenset({40001, 40013, 40091})


class KfClient:
    """The API of one company; ``shelf`` keeps its token, ``transport`` is for tests."""

    def __init__(
        self,
        settings: WecomKfSettings,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        shelf: TokenShelf | None = None,
    ) -> None:
        silence_request_logs()
        self._settings = settings
        self._http = httpx.AsyncClient(base_url=settings.api_url, timeout=TIMEOUT_S, transport=transport)
        self._vault = TokenVault(f"wecom_kf:{settings.corp_id}", self._fetch, clock, shelf)
        http = MediaHttp(MediaHosts(settings.api_url, HOSTS), transport)
        self.media = TemporaryMedia(settings.api_url, self._vault, http)

    async def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call ``/cgi-bin/kf/<path>``; the answer always has an ``errcode``.

        Raises Unreached (not carried out), Lost (perhaps carried out) or TokenRefused.
        """
        token = await self._vault.token()
        answer = await self._post(token, path, body)
        if answer["errcode"] in _TOKEN_CODES:
            answer = await self._post(await self._vault.replace(token), path, body)
        return answer

    async def upload(self, kind: str, file: OutgoingFile) -> str:
        """Upload temporary media (``image``, ``voice``, ``video``, ``file``); give its id, or raise Unreached."""
        token = await self._vault.token()
        answer = await self._upload(token, kind, file)
        if answer["errcode"] in _TOKEN_CODES:
            answer = await self._upload(await self._vault.replace(token), kind, file)
        media_id = text_of(answer, "media_id")
        if not media_id:
            raise Unreached(f"media/upload answers errcode {answer['errcode']}")
        return media_id

    async def _upload(self, token: str, kind: str, file: OutgoingFile) -> dict[str, Any]:
        query = {"access_token": token, "type": kind}
        files = {"media": (file.name, file.data, file.mime)}
        request = self._http.build_request("POST", "/cgi-bin/media/upload", params=query, files=files)
        try:
            return _with_code(await call(self._http, request))
        except Lost as error:
            raise Unreached(str(error)) from error  # what is uploaded is not sent yet

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self.media.close()

    async def _post(self, token: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        request = self._http.build_request(
            "POST",
            f"/cgi-bin/kf/{path}",
            params={"access_token": token},
            content=content,
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
        return _with_code(await call(self._http, request))

    async def _fetch(self, force: bool) -> Fetched:
        del force  # gettoken gives another token only when the last one is over
        secret = {"corpid": self._settings.corp_id, "corpsecret": self._settings.secret}
        answer = _with_code(await call(self._http, self._http.build_request("GET", "/cgi-bin/gettoken", params=secret)))
        token = text_of(answer, "access_token")
        if not token:
            code = answer["errcode"]
            raise TokenRefused(f"WeCom gives no access token (errcode {code})", lasting=code in _WRONG_CREDENTIALS)
        lasts = answer.get("expires_in")
        return Fetched(token, lasts if isinstance(lasts, int) else 0)


def _with_code(answer: Answer) -> dict[str, Any]:
    code = answer.data.get("errcode")
    if not answer.good or isinstance(code, bool) or not isinstance(code, int):
        # A gateway's page in place of an answer: nothing was carried out.
        raise Unreached(f"WeCom answered {answer.status}")
    return dict(answer.data)
