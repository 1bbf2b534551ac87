"""WeCom's API for customer service.

Source: https://developer.work.weixin.qq.com/document/path/91039 (gettoken: 7200 s, the same token within its life) and
/path/90313 (return codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from bot.channels.reading import listing
from bot.channels.tencent_api import TencentAccount, TencentApi
from bot.channels.wecom_kf.settings import CHANNEL, WecomKfSettings
from bot.domain.clock import Clock
from bot.domain.shared_ports import TokenShelf

_PAGE = 100  # Source: https://developer.work.weixin.qq.com/document/path/94661 (the most there are)
_MOST_PAGES = 100
_WRONG_CREDENTIALS = frozenset({40001, 40013, 40091})


class KfClient(TencentApi):
    """The API of one company; ``shelf`` keeps its token, ``transport`` is for tests."""

    def __init__(
        self,
        settings: WecomKfSettings,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        shelf: TokenShelf | None = None,
    ) -> None:
        def token_request(http: httpx.AsyncClient, _force: bool) -> httpx.Request:
            # gettoken gives another token only when the last one is over.
            secret = {"corpid": settings.corp_id, "corpsecret": settings.secret}
            return http.build_request("GET", "/cgi-bin/gettoken", params=secret)

        name = f"{CHANNEL}:{settings.corp_id}"
        account = TencentAccount(name, "WeCom", settings.api_url, token_request, _WRONG_CREDENTIALS)
        super().__init__(account, clock, transport, shelf)

    async def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call ``/cgi-bin/kf/<path>``; the answer always has an ``errcode``. Raises as ``call``."""
        return await self.call(f"/cgi-bin/kf/{path}", body)

    async def accounts(self) -> Mapping[str, Any]:
        """List all the customer-service accounts, or give the answer that refuses to. Raises as ``call``."""
        found: list[Mapping[str, Any]] = []
        for _ in range(_MOST_PAGES):
            answer = await self.post("account/list", {"offset": len(found), "limit": _PAGE})
            page = listing(answer, "account_list")
            if answer["errcode"] != 0:
                return answer
            found += page
            if len(page) < _PAGE:
                break
        return {"errcode": 0, "account_list": found}
