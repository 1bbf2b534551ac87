"""Sending: texts and menus, the welcome word, and the session that must be ours first.

Source: https://developer.work.weixin.qq.com/document/path/94677 (send_msg: only in states 0 and 1, 5 messages in 48
hours; text 2048 bytes, menu head 1024, 10 items of 128), /path/95122 (send_msg_on_event: the code of an entered
session, and that of an ended one, is good once, for 20 s, for a text or a menu; the second only while it is over) and
/path/94669 (service_state; ending a session gives its code).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.channels._api import Unreached
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade, measure, number_options
from bot.channels.reading import text_of
from bot.channels.tencent_api import ReturnCodes
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.sessions import API_MAY_SEND, SessionState, change_to, state_for
from bot.channels.wecom_kf.settings import CHANNEL, WECOM, WecomKfSettings
from bot.domain.channel_ports import Addressee, Capabilities, Deferred, Delivery, Refusal, Refused, Sent
from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import OutboundMessage
from bot.domain.thread_ports import Place
from bot.domain.windows import Opening, ReplyTokens

MAX_TEXT_BYTES = 2048
MAX_HEAD_BYTES = 1024
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_MENU_ITEMS = 10
MAX_ITEM_BYTES = 128
_BY_CODE = frozenset({"text", "msgmenu"})
_REMEMBERED = 5000
# Source: https://developer.work.weixin.qq.com/document/path/90313; ? 95001 and 95002 are told there without a word on
# which of the two limits is meant.
_CODES = ReturnCodes(
    "WeCom",
    refused={
        95001: (Refusal.QUOTA, "five messages since the customer's last one"),
        95002: (Refusal.WINDOW, "more than 48 hours since the customer's last message"),
        95013: (Refusal.WINDOW, "the session has ended; the customer has to write first"),
        95016: (Refusal.WINDOW, "the code of the entered or ended session is used or over"),
        95000: (Refusal.OTHER, "the customer-service account is not known to WeCom"),
        95004: (Refusal.OTHER, "the customer-service account is not known to WeCom"),
        40096: (Refusal.BLOCKED, "the customer is not known to WeCom"),
        48002: (Refusal.OTHER, "the API may not manage this account; permit it in WeCom's console"),
        60011: (Refusal.OTHER, "the account's staff are not visible to the application; see WeCom's console"),
        60030: (Refusal.OTHER, "the API may not manage this account; permit it in WeCom's console"),
        95018: (Refusal.HUMAN_ONLY, "the session's state does not permit it"),
    },
    waits_s={45009: 60.0, 45033: 10.0, -1: 5.0},
    retried={60020: "this machine's address is not among the trusted ones (企业可信IP); add it in WeCom's console"},
)


class CallRefused(Unreached):
    """WeCom refuses a call that has to go before a message; ``code`` says why."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call} answers errcode {code}")
        self.code = code


class WecomKfAdapter(PlatformAdapter):
    """The ``wecom_kf`` channel of one company."""

    name, platform = CHANNEL, "WeCom"
    capabilities = Capabilities(
        max_text=MAX_TEXT_BYTES, text_unit="bytes", max_buttons=MAX_MENU_ITEMS, images=True, files=True
    )

    def __init__(self, settings: WecomKfSettings, client: KfClient, codes: ReplyTokens, clock: Clock) -> None:
        super().__init__(client)
        self._settings = settings
        self.client = client
        self._codes = codes
        self._clock = clock
        self._ours: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.parts.divide = self._divided

    def _divided(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        parts = degrade(_within_menu(clean_message(message)), self.capabilities)
        return tuple(one for part in parts for one in _apart(part))

    @property
    def queue(self) -> Place | None:
        """Name where customers wait for a human; a session in WeCom's queue is only ever a member's of WeCom's."""
        return Place.WECOM if self._settings.humans == WECOM else None

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send the message, by a welcome code while there is one, else in a session that is ours."""

        async def send_one(numbered: tuple[int, OutboundMessage]) -> Delivery:
            number, part = numbered
            body = await self._with_file(part) if part.attachments else content(part)
            return await self._send_one(to, body | {"msgid": message_id(to.conversation_id, outbox_id, number)})

        try:
            return await self.parts.send(outbox_id, list(enumerate(self._divided(message))), send_one)
        except CallRefused as refused:
            return _CODES.weigh(refused.code)

    async def follow(self, to: Addressee, owner: Owner) -> tuple[SessionState, str]:
        """Let a session follow its conversation's owner as far as the platform permits; give its state and end's code.

        Unreached, Lost or TokenRefused when the platform cannot be asked.
        """
        self.forget(to.account, to.channel_user_id)
        return await self._move(to, state_for(owner, self._settings.humans))

    def forget(self, open_kfid: str, customer: str) -> None:
        """Look at a session's state again before the next message: it has changed hands."""
        self._ours.pop((open_kfid, customer), None)

    async def _with_file(self, part: OutboundMessage) -> dict[str, Any]:
        """Upload what is attached and shape its message.

        Source: https://developer.work.weixin.qq.com/document/path/90253 (pictures JPG or PNG of 10 MB, files of 20 MB).
        """
        file = await self.read_file(part.attachments[0])
        shown = file.mime in {"image/jpeg", "image/png"} and len(file.data) <= MAX_IMAGE_BYTES
        kind = "image" if shown else "file"
        answer = await self.client.upload(kind, file)
        if not text_of(answer, "media_id"):
            raise CallRefused("media/upload", answer["errcode"])
        return {"msgtype": kind, kind: {"media_id": text_of(answer, "media_id")}}

    async def _send_one(self, to: Addressee, body: Mapping[str, Any]) -> Delivery:
        by_code = await self._send_by(Opening.ENTER, to, body)
        # Whatever WeCom has against the code: who has written since can be answered without one.
        if isinstance(by_code, Sent | Deferred):
            return by_code
        sent = await self._send_in_session(to, body)
        believed_ours = (to.account, to.channel_user_id) in self._ours
        if believed_ours and isinstance(sent, Refused) and sent.kind is Refusal.HUMAN_ONLY:
            self.forget(to.account, to.channel_user_id)
            return await self._send_in_session(to, body)
        return sent

    async def _send_in_session(self, to: Addressee, body: Mapping[str, Any]) -> Delivery:
        state = await self._claim(to)
        if state is SessionState.ENDED:
            over = Refused("the session has ended; the customer has to write first", Refusal.WINDOW)
            return await self._send_by(Opening.END, to, body) or over
        if state not in API_MAY_SEND:
            taken = f"WeCom's own staff has this session (state {state.value}); answer there"
            return Refused(taken, Refusal.HUMAN_ONLY)
        message = {"touser": to.channel_user_id, "open_kfid": to.account, **body}
        return _weigh(await self.client.post("send_msg", message))

    async def _send_by(self, opening: Opening, to: Addressee, body: Mapping[str, Any]) -> Delivery | None:
        """Send by the code that came with an opening; None when there is none, or it pays for no such message."""
        if body["msgtype"] not in _BY_CODE:
            return None
        code = await self._codes.token(to.conversation_id, opening, self._clock.now())
        return _weigh(await self.client.post("send_msg_on_event", {"code": code, **body})) if code else None

    async def _claim(self, to: Addressee) -> SessionState:
        """Make the session the bot's where that is possible; give its state."""
        key = (to.account, to.channel_user_id)
        if key in self._ours:
            return SessionState.BOT
        state, _ = await self._move(to, SessionState.BOT)
        if state is SessionState.BOT:
            self._ours[key] = None
            while len(self._ours) > _REMEMBERED:
                self._ours.popitem(last=False)
        return state

    async def _move(self, to: Addressee, wanted: SessionState) -> tuple[SessionState, str]:
        session = {"open_kfid": to.account, "external_userid": to.channel_user_id}
        answer = await self.client.post("service_state/get", session)
        if answer["errcode"] != 0:
            raise CallRefused("service_state/get", answer["errcode"])
        number = text_of(answer, "service_state")
        state = SessionState(int(number)) if number in {str(each.value) for each in SessionState} else SessionState.NEW
        asked = change_to(state, wanted)
        if asked is None:
            return state, ""
        moved = await self.client.post("service_state/trans", session | {"service_state": asked.value})
        if moved["errcode"] != 0 and asked is not SessionState.BOT:
            raise CallRefused("service_state/trans", moved["errcode"])
        if moved["errcode"] != 0:
            return state, ""
        return asked, text_of(moved, "msg_code") if asked is SessionState.ENDED else ""


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


def _apart(message: OutboundMessage) -> Iterator[OutboundMessage]:
    """Give each attachment a message of its own, before the words: none can carry both."""
    for attachment in message.attachments:
        yield OutboundMessage("", (), (attachment,))
    if message.text:
        yield replace(message, attachments=())


def _weigh(answer: Mapping[str, Any]) -> Delivery:
    return _CODES.weigh(answer["errcode"], text_of(answer, "msgid"))
