"""Sending by customer-service message (客服消息).

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html and
.../Getting_Started/Global_Return_Code.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from bot.channels._http import silence_request_logs
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade
from bot.channels.fetching import MediaHosts, MediaHttp
from bot.channels.files import read_file
from bot.channels.parts import PartsSent
from bot.channels.tencent_media import HOSTS, TemporaryMedia
from bot.channels.vault import TokenRefused
from bot.channels.wechat_oa.settings import CHANNEL, PASSIVE, SERVICE, WechatOaSettings
from bot.channels.wechat_oa.vault import make_vault
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Deferred,
    Delivery,
    Failed,
    Refusal,
    Refused,
    Sent,
    Unclear,
)
from bot.domain.clock import Clock
from bot.domain.errors import NotFound
from bot.domain.ids import OutboxId
from bot.domain.media import OutgoingFile, ReadFile
from bot.domain.messages import OutboundMessage
from bot.domain.shared_ports import TokenShelf

MAX_TEXT_BYTES = 2048  # ? the documentation names no number; 45002 is answered to longer text
_TIMEOUT_S = 10.0
_TOKEN_CODES = frozenset({40001, 40014, 42001})
_REFUSED = {
    45015: (Refusal.WINDOW, "window closed: more than 48 hours since the customer's last message"),
    45047: (Refusal.QUOTA, "window used up: five messages since the customer's last one"),
    43004: (Refusal.BLOCKED, "the customer does not follow the account"),
    48001: (Refusal.OTHER, "the account has no permission for customer-service messages"),
}
_NO_PERMISSION = 48001
# What waits for the customer's next word is looked at again now and then, in case the permission has come.
_NEXT_WORD = Deferred(3600.0, "the account may not send by itself (errcode 48001): it waits for the next word")
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_DEFERRED_S = {45009: 600.0, 45011: 60.0, -1: 5.0}


class _Lost(Exception):
    """The connection broke after the message was sent off."""


class WechatOaAdapter:
    """The ``wechat_oa`` channel of one account; ``shelf`` keeps its token, ``transport`` is for tests."""

    name = CHANNEL

    def __init__(
        self,
        settings: WechatOaSettings,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        shelf: TokenShelf | None = None,
    ) -> None:
        silence_request_logs()
        self._http = httpx.AsyncClient(base_url=settings.api_url, timeout=_TIMEOUT_S, transport=transport)
        self._vault = make_vault(settings, self._http, clock, shelf)
        http = MediaHttp(MediaHosts(settings.api_url, HOSTS), transport)
        self._media = TemporaryMedia(settings.api_url, self._vault, http)
        self.download = self._media.download
        self.parts = PartsSent()
        self._replies = settings.replies
        self._permitted = settings.replies != PASSIVE
        # A picture cannot stand in a callback's response: it goes by customer-service message or not at all.
        self.capabilities = Capabilities(MAX_TEXT_BYTES, "bytes", 0, images=self._permitted)
        self.files: ReadFile | None = None

    def is_alone(self) -> bool:
        """Tell whether the response of a callback is the only way to answer, as far as is known."""
        return not self._permitted

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send the message in as many parts as it needs; a repeat goes on after the parts already taken.

        An account that may not send by itself keeps it for the customer's next word.
        """
        if self._replies == PASSIVE:
            return _NEXT_WORD
        parts = degrade(clean_message(message), self.capabilities)
        for part in parts[self.parts.count(outbox_id) :]:
            try:
                result = await self._send_part(to.channel_user_id, part)
            except TokenRefused as error:
                return Failed(error.reason, retryable=not error.lasting)
            except _Lost as error:
                return Unclear(f"the connection to WeChat was lost: {error}")
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                return Failed(f"WeChat cannot be reached: {type(error).__name__}", retryable=True)
            if not isinstance(result, Sent):
                return result
            self.parts.note(outbox_id)
        self.parts.forget(outbox_id)
        return Sent(messages=len(parts))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._media.close()

    async def _send_part(self, openid: str, part: OutboundMessage) -> Delivery:
        if not part.attachments:
            return await self._send_content(openid, {"msgtype": "text", "text": {"content": part.text}})
        try:
            file = await read_file(self.files, part.attachments[0])
        except NotFound as missing:
            return Failed(str(missing), retryable=False)
        return await self._send_picture(openid, file)

    async def _send_picture(self, openid: str, file: OutgoingFile) -> Delivery:
        """Upload a picture and send it by its id; what was uploaded and not sent is harmless."""
        token = await self._vault.token()
        answer = await self._upload(token, file)
        if answer.get("errcode") in _TOKEN_CODES:
            answer = await self._upload(await self._vault.replace(token), file)
        media_id = str(answer.get("media_id") or "")
        if not media_id:
            return Failed(f"WeChat does not take the picture (errcode {answer.get('errcode')})", retryable=False)
        sent = await self._send_content(openid, {"msgtype": "image", "image": {"media_id": media_id}})
        # It cannot wait for the customer's next word, whose answer holds words only, and would hold up all behind it.
        return sent if sent is not _NEXT_WORD else Refused("the account may not send pictures (errcode 48001)")

    async def _upload(self, token: str, file: OutgoingFile) -> dict[str, Any]:
        response = await self._http.post(
            "/cgi-bin/media/upload",
            params={"access_token": token, "type": "image"},
            files={"media": (file.name, file.data, file.mime)},
        )
        response.raise_for_status()
        return dict(response.json())

    async def _send_content(self, openid: str, content: Mapping[str, Any]) -> Delivery:
        token = await self._vault.token()
        code = await self._post(token, openid, content)
        if code in _TOKEN_CODES:
            token = await self._vault.replace(token)
            code = await self._post(token, openid, content)
        if self._replies != SERVICE:
            self._permitted = code != _NO_PERMISSION
            if not self._permitted:
                return _NEXT_WORD
        return _delivery(code)

    async def _post(self, token: str, openid: str, shaped: Mapping[str, Any]) -> int:
        body = {"touser": openid, **shaped}
        # Escaped characters (\uXXXX) would be shown as they are: the body has to be plain UTF-8.
        content = json.dumps(body, ensure_ascii=False).encode()
        try:
            response = await self._http.post(
                "/cgi-bin/message/custom/send",
                params={"access_token": token},
                content=content,
                headers={"Content-Type": "application/json; charset=utf-8"},
            )
        except _NEVER_LEFT:
            raise
        except httpx.TransportError as error:
            raise _Lost(type(error).__name__) from error
        response.raise_for_status()
        answer: Any = response.json()
        return int(answer["errcode"])


def _delivery(code: int) -> Delivery:
    if code == 0:
        return Sent()
    if code in _REFUSED:
        kind, why = _REFUSED[code]
        return Refused(f"{why} (errcode {code})", kind)
    if code in _DEFERRED_S:
        return Deferred(_DEFERRED_S[code], f"WeChat asks to wait (errcode {code})")
    return Failed(f"WeChat does not take the message (errcode {code})", retryable=code in _TOKEN_CODES)
