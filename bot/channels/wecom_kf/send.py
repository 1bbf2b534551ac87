"""Sending: texts and menus, the welcome word, and the session that must be ours first.

Source: https://developer.work.weixin.qq.com/document/path/94677 (send_msg: only in states 0 and 1, 5 messages in 48
hours; text 2048 bytes, menu head 1024), /path/95122 (send_msg_on_event) and /path/94669 (service_state).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.channels._api import Lost, Unreached
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade, measure, number_options
from bot.channels.reading import text_of
from bot.channels.tencent_api import ReturnCodes
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.sessions import API_MAY_SEND, SessionState, change_to, state_for
from bot.channels.wecom_kf.settings import CHANNEL, WecomKfSettings
from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Refusal, Refused, Sent
from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import OutboundMessage
from bot.domain.windows import Opening, ReplyTokens

MAX_TEXT_BYTES = 2048
MAX_HEAD_BYTES = 1024
MAX_IMAGE_BYTES = 2 * 1024 * 1024
MAX_MENU_ITEMS = 10  # ? the number is told in the error list only
MAX_ITEM_BYTES = 128
_WRONG_STATE = 95018
_REMEMBERED = 5000
# Source: https://developer.work.weixin.qq.com/document/path/90313; ? 95001 and 95002 are told there without a word on
# which of the two limits is meant.
_CODES = ReturnCodes(
    "WeCom",
    refused={
        95001: (Refusal.QUOTA, "five messages since the customer's last one"),
        95002: (Refusal.WINDOW, "more than 48 hours since the customer's last message"),
        95013: (Refusal.WINDOW, "the session has ended; the customer has to write first"),
        95016: (Refusal.WINDOW, "the welcome code is used or over"),
        95000: (Refusal.OTHER, "the customer-service account is not known to WeCom"),
        95004: (Refusal.OTHER, "the customer-service account is not known to WeCom"),
        40096: (Refusal.BLOCKED, "the customer is not known to WeCom"),
        48002: (Refusal.OTHER, "the API may not manage this account; permit it in WeCom's console"),
        60030: (Refusal.OTHER, "the API may not manage this account; permit it in WeCom's console"),
        95018: (Refusal.HUMAN_ONLY, "the session's state does not permit it"),
    },
    waits_s={45009: 60.0, 45033: 10.0, -1: 5.0},
)

OwnerOf = Callable[[ConversationId], Awaitable[Owner]]


@dataclass(frozen=True, slots=True)
class KfPorts:
    """What sending asks for: who owns a conversation, and the welcome codes that came with entered sessions."""

    owner_of: OwnerOf
    codes: ReplyTokens


class WecomKfAdapter(PlatformAdapter):
    """The ``wecom_kf`` channel of one company."""

    name, platform = CHANNEL, "WeCom"
    capabilities = Capabilities(
        max_text=MAX_TEXT_BYTES, text_unit="bytes", max_buttons=MAX_MENU_ITEMS, images=True, files=True
    )

    def __init__(self, settings: WecomKfSettings, client: KfClient, ports: KfPorts, clock: Clock) -> None:
        super().__init__(client)
        self._settings = settings
        self.client = client
        self._ports = ports
        self._clock = clock
        self._ours: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send the message, by a welcome code while there is one, else in a session that is ours.

        After it, the session goes where our owner is: into WeCom's queue, or to its end.
        """
        parts = degrade(_within_menu(clean_message(message)), self.capabilities)

        async def send_one(numbered: tuple[int, OutboundMessage]) -> Delivery:
            number, part = numbered
            body = await self._with_file(part) if part.attachments else content(part)
            return await self._send_one(to, body | {"msgid": message_id(to.conversation_id, outbox_id, number)})

        sent = await self.parts.send(outbox_id, list(enumerate(parts)), send_one)
        if isinstance(sent, Sent):
            await self._follow(to)
        return sent

    async def follow(self, to: Addressee, owner: Owner) -> SessionState:
        """Let a session follow its conversation's owner as far as the platform permits; give its state.

        Unreached, Lost or TokenRefused when the platform cannot be asked.
        """
        self.forget(to.account, to.channel_user_id)
        return await self._move(to, state_for(owner, self._settings.humans))

    def forget(self, open_kfid: str, customer: str) -> None:
        """Look at a session's state again before the next message: it has changed hands."""
        self._ours.pop((open_kfid, customer), None)

    async def _with_file(self, part: OutboundMessage) -> dict[str, Any]:
        """Upload what is attached and shape its message.

        Source: https://developer.work.weixin.qq.com/document/path/90253 (pictures JPG or PNG of 2 MB, files of 20 MB).
        """
        file = await self.read_file(part.attachments[0])
        shown = file.mime in {"image/jpeg", "image/png"} and len(file.data) <= MAX_IMAGE_BYTES
        kind = "image" if shown else "file"
        return {"msgtype": kind, kind: {"media_id": await self.client.upload_id(kind, file)}}

    async def _send_one(self, to: Addressee, body: Mapping[str, Any]) -> Delivery:
        code = await self._ports.codes.token(to.conversation_id, Opening.ENTER, self._clock.now())
        if code:
            return _weigh(await self.client.post("send_msg_on_event", {"code": code, **body}))
        state = await self._claim(to)
        if state not in API_MAY_SEND:
            return _wrong_state(state)
        message = {"touser": to.channel_user_id, "open_kfid": to.account, **body}
        answer = await self.client.post("send_msg", message)
        if answer["errcode"] == _WRONG_STATE:
            self.forget(to.account, to.channel_user_id)
            state = await self._claim(to)
            if state not in API_MAY_SEND:
                return _wrong_state(state)
            answer = await self.client.post("send_msg", message)
        return _weigh(answer)

    async def _claim(self, to: Addressee) -> SessionState:
        """Make the session the bot's where that is possible; give its state."""
        key = (to.account, to.channel_user_id)
        if key in self._ours:
            return SessionState.BOT
        state = await self._move(to, SessionState.BOT)
        if state is SessionState.BOT:
            self._ours[key] = None
            while len(self._ours) > _REMEMBERED:
                self._ours.popitem(last=False)
        return state

    async def _follow(self, to: Addressee) -> None:
        """Let the session follow our owner after a message."""
        wanted = state_for(await self._ports.owner_of(to.conversation_id), self._settings.humans)
        if wanted is not SessionState.BOT:
            self.forget(to.account, to.channel_user_id)
            try:
                await self._move(to, wanted)
            except (Unreached, Lost):
                return  # the message itself went out; the session follows with the next

    async def _move(self, to: Addressee, wanted: SessionState) -> SessionState:
        session = {"open_kfid": to.account, "external_userid": to.channel_user_id}
        answer = await self.client.post("service_state/get", session)
        if answer["errcode"] != 0:
            raise Unreached(f"service_state/get answers errcode {answer['errcode']}")
        number = text_of(answer, "service_state")
        state = SessionState(int(number)) if number in {str(each.value) for each in SessionState} else SessionState.NEW
        asked = change_to(state, wanted)
        if asked is None:
            return state
        moved = await self.client.post("service_state/trans", session | {"service_state": asked.value})
        return asked if moved["errcode"] == 0 else state


def content(message: OutboundMessage) -> dict[str, Any]:
    """Shape one part as text, or as a menu whose items carry the buttons' payloads as click ids."""
    if not message.buttons:
        return {"msgtype": "text", "text": {"content": message.text}}
    items = [{"type": "click", "click": {"id": each.payload, "content": each.label}} for each in message.buttons]
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": message.text, "list": items}}


def message_id(conversation_id: ConversationId, outbox_id: OutboxId, part: int) -> str:
    """Make the platform's id of a part: the same at every try, at most 32 characters of ``[0-9a-f]``."""
    return hashlib.sha256(f"{conversation_id}:{outbox_id}:{part}".encode()).hexdigest()[:32]


def _within_menu(message: OutboundMessage) -> OutboundMessage:
    """Write the choices as numbers when head or items are too long for a menu, so that one message is enough."""
    head_fits = measure(message.text.strip(), "bytes") <= MAX_HEAD_BYTES
    items_fit = all(measure(button.label, "bytes") <= MAX_ITEM_BYTES for button in message.buttons)
    if not message.buttons or (head_fits and items_fit):
        return message
    return OutboundMessage(number_options(message.text, message.buttons), (), message.attachments)


def _wrong_state(state: SessionState) -> Refused:
    if state is SessionState.ENDED:
        return Refused("the session has ended; the customer has to write first", Refusal.WINDOW)
    return Refused(f"WeCom's own staff has this session (state {state.value}); answer there", Refusal.HUMAN_ONLY)


def _weigh(answer: Mapping[str, Any]) -> Delivery:
    return _CODES.weigh(answer["errcode"], text_of(answer, "msgid"))
