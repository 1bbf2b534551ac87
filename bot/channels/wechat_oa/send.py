"""Sending by customer-service message (客服消息).

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html and
.../Getting_Started/Global_Return_Code.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import httpx

from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade
from bot.channels.reading import text_of
from bot.channels.tencent_api import ReturnCodes, TencentAccount, TencentApi
from bot.channels.vault import MemoryTokenShelf
from bot.channels.wechat_oa.settings import CHANNEL, PASSIVE, SERVICE, WechatOaSettings, token_request
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Deferred,
    Delivery,
    Failed,
    HearPolicy,
    Refusal,
    Refused,
)
from bot.domain.clock import Clock
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage
from bot.domain.shared_ports import KeptToken, TokenShelf

MAX_TEXT_BYTES = 2048  # ? the documentation names no number; 45002 is answered to longer text
_WRONG_CREDENTIALS = frozenset({40001, 40002, 40013, 40125})
_CODES = ReturnCodes(
    "WeChat",
    refused={
        45015: (Refusal.WINDOW, "window closed: more than 48 hours since the customer's last message"),
        45047: (Refusal.QUOTA, "window used up: five messages since the customer's last one"),
        43004: (Refusal.BLOCKED, "the customer does not follow the account"),
        48001: (Refusal.OTHER, "the account has no permission for customer-service messages"),
        48002: (Refusal.BLOCKED, "the customer does not take the account's messages"),
        48004: (Refusal.OTHER, "the platform has closed this interface to the account; see mp.weixin.qq.com"),
        50002: (Refusal.BLOCKED, "the customer's account is limited"),
    },
    waits_s={45009: 600.0, 45011: 60.0, -1: 5.0},
)
_NO_PERMISSION = 48001
# Source: .../Message_Management/Passive_user_reply_message.html (5 seconds; then it hangs up, and calls again).
_HEARING = HearPolicy(ack_s=5.0, inline_s=5.0)
# What waits for the customer's next word for a week is no news any more: then its closed window refuses it.
_NEXT_WORD = Deferred(7 * 86_400.0, "the account may not send by itself (errcode 48001): it waits for the next word")
_NO_PICTURES = Refused("the account may not send pictures (errcode 48001)")
_KNOWN_FOR = timedelta(hours=12)


class WechatOaAdapter(PlatformAdapter):
    """The ``wechat_oa`` channel of one account; ``transport`` is for tests.

    ``shelf`` keeps its token, and that it may not send by itself: who sends learns that, who answers calls asks it.
    """

    name, platform = CHANNEL, "WeChat"

    def __init__(
        self,
        settings: WechatOaSettings,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        shelf: TokenShelf | None = None,
    ) -> None:
        shelf_name, request = f"{CHANNEL}:{settings.app_id}", partial(token_request, settings)
        account = TencentAccount(shelf_name, self.platform, settings.api_url, request, _WRONG_CREDENTIALS)
        self._clock = clock
        self._shelf = shelf or MemoryTokenShelf()
        self._forbidden = f"{shelf_name}:{_NO_PERMISSION}"
        self._api = TencentApi(account, clock, transport, self._shelf)
        self._replies = settings.replies
        self._permitted = settings.replies != PASSIVE
        self._is_told = False
        # A picture cannot stand in a callback's response: it goes by customer-service message or not at all.
        self.capabilities = Capabilities(
            MAX_TEXT_BYTES, "bytes", images=self._permitted, typing=self._permitted, hearing=_HEARING
        )
        super().__init__(self._api)
        self.parts.divide = self._divided

    def _divided(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        clean = clean_message(message)
        return tuple(piece for part in degrade(clean, self.capabilities) for piece in _pieces(part))

    async def is_alone(self) -> bool:
        """Tell whether the response of a callback is the only way to answer, as far as any process knows."""
        if not self._permitted:
            return True
        known = await self._shelf.read(self._forbidden)
        return known is not None and self._clock.now() < known.good_until

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send words and pictures; an account that may not send by itself keeps them for the customer's next word."""
        clean = clean_message(message)
        words = bool(clean.text or clean.buttons)
        if self._replies == PASSIVE and (words or clean.attachments):
            return _NEXT_WORD if words else _NO_PICTURES
        parts = self._divided(message)
        sent = await self.parts.send(outbox_id, parts, lambda part: self._send_part(to.channel_user_id, part))
        # A picture cannot wait for the customer's next word, whose answer holds words: it would hold up all behind it.
        return sent if sent is not _NEXT_WORD or words else _NO_PICTURES

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show "typing", where the account may send by itself.

        Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html (to who
        wrote within the last 30 seconds; 45081: it is shown already).
        """
        del answering
        if self._permitted:
            await self._api.call("/cgi-bin/message/custom/typing", {"touser": to.channel_user_id, "command": "Typing"})

    async def _send_part(self, openid: str, part: OutboundMessage) -> Delivery:
        if not part.attachments:
            return await self._send_content(openid, {"msgtype": "text", "text": {"content": part.text}})
        answer = await self._api.upload("image", await self.read_file(part.attachments[0]))
        media_id = text_of(answer, "media_id")
        if media_id:
            return await self._send_content(openid, {"msgtype": "image", "image": {"media_id": media_id}})
        if answer["errcode"]:
            return await self._weigh(answer["errcode"])
        return Failed("WeChat took the picture and gives no media_id for it", retryable=False)

    async def _send_content(self, openid: str, content: Mapping[str, Any]) -> Delivery:
        answer = await self._api.call("/cgi-bin/message/custom/send", {"touser": openid, **content})
        return await self._weigh(answer["errcode"])

    async def _weigh(self, code: int) -> Delivery:
        if self._replies != SERVICE and code in {0, _NO_PERMISSION}:
            await self._learn(permitted=code == 0)
            if not self._permitted:
                return _NEXT_WORD
        return _CODES.weigh(code)

    async def _learn(self, *, permitted: bool) -> None:
        """Keep what the platform says of the permission for all processes; that it is there need be told only once."""
        if permitted and self._permitted and self._is_told:
            return
        self._permitted, self._is_told = permitted, True
        until = self._clock.now() + (timedelta() if permitted else _KNOWN_FOR)
        await self._shelf.write(self._forbidden, KeptToken("", until))


def _pieces(part: OutboundMessage) -> Iterator[OutboundMessage]:
    """Give what one call each sends: every picture, then the words."""
    for attachment in part.attachments:
        yield OutboundMessage("", attachments=(attachment,))
    if part.text or part.buttons:
        yield replace(part, attachments=())
