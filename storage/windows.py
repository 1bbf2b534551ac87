"""The ledger of windows and quotas, and the gate that every sending passes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from bot.domain.channel_ports import Deferred, Delivery, Refusal, Refused, Sent, Unclear
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxItem
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.windows import POLICIES, Opened, Opening, Room, WindowPolicy, opening_of, room
from storage.database import Database
from storage.tables import CONVERSATIONS, EXCHANGES, IDENTITIES, WINDOWS, Upsert
from storage.types import clean_text

_MAX_TOKEN_CHARS = 256
_BOT = "bot"
_OPEN = Upsert(
    lambda into: (adding := into(WINDOWS)).on_conflict_do_update(
        index_elements=["identity_id", "kind"],
        set_={
            "opened_at": adding.excluded.opened_at,
            "used": adding.excluded.used,
            "token": adding.excluded.token,
        },
        where=WINDOWS.c.opened_at <= adding.excluded.opened_at,
    )
)
_CLOSE = delete(WINDOWS).where(WINDOWS.c.identity_id == bindparam("identity"))
_OF_CONVERSATION = (
    select(IDENTITIES.c.channel, CONVERSATIONS.c.owner, WINDOWS.c.kind, WINDOWS.c.opened_at, WINDOWS.c.used)
    .select_from(CONVERSATIONS)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .outerjoin(WINDOWS, WINDOWS.c.identity_id == IDENTITIES.c.id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
)
_IDENTITY = select(CONVERSATIONS.c.identity_id).where(CONVERSATIONS.c.id == bindparam("conversation")).scalar_subquery()
_TOKEN = select(WINDOWS.c.token, WINDOWS.c.opened_at).where(
    WINDOWS.c.identity_id == _IDENTITY, WINDOWS.c.kind == bindparam("token_kind"), WINDOWS.c.used == 0
)
_SPEND = (
    update(WINDOWS)
    .where(
        WINDOWS.c.identity_id == _IDENTITY,
        WINDOWS.c.kind == bindparam("window_kind"),
        WINDOWS.c.opened_at >= bindparam("since"),
    )
    .values(used=WINDOWS.c.used + bindparam("messages"))
)
_HELD_UNTIL = (
    select(EXCHANGES.c.open_until)
    .where(EXCHANGES.c.conversation_id == bindparam("conversation"), EXCHANGES.c.open_until > bindparam("at"))
    .order_by(EXCHANGES.c.open_until.desc())
    .limit(1)
)


def open_window(connection: Connection, identity_id: str, message: InboundMessage, at: datetime) -> None:
    """Record what a message from the customer opens; leaving the channel closes everything."""
    if message.sender.channel not in POLICIES:
        return
    if message.kind is MessageKind.UNFOLLOW:
        connection.execute(_CLOSE, {"identity": identity_id})
        return
    opening = opening_of(message)
    if opening is not None:
        row = {
            "identity_id": identity_id,
            "kind": opening.value,
            "opened_at": min(message.sent_at, at),
            "used": 0,
            "token": clean_text(message.reply_token, _MAX_TOKEN_CHARS),
        }
        connection.execute(_OPEN.on(connection), row)


class SqlWindowLedger:
    """Tells what may still be sent, and hands out the codes that pay for an answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_conversation(self, conversation_id: ConversationId, at: datetime) -> Room | None:
        """Give the room of the conversation's identity; None when its channel has no windows."""
        rows = await self._database.read(lambda connection: _rows(connection, conversation_id))
        policy = POLICIES.get(rows[0]["channel"]) if rows else None
        return room(policy, _opened(rows), at) if policy else None

    async def token(self, conversation_id: ConversationId, kind: Opening, at: datetime) -> str:
        """Give the code of the last such action; empty when there is none, it was used, or its time is over."""
        values = {"conversation": conversation_id, "token_kind": kind.value}
        found = await self._database.read(lambda connection: connection.execute(_TOKEN, values).first())
        if found is None:
            return ""
        lasts = max(policy.windows[kind].lasts for policy in POLICIES.values() if kind in policy.windows)
        return str(found[0]) if at - found[1] <= lasts else ""


class SqlSendingGate:
    """Asked before every sending, whoever sends; channels without windows cost nothing.

    The bot keeps the last counted message for a word about handing over: what it says while it owns the conversation
    is refused when one is left.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
        """Say why the message must not go out (now, or at all); None: it may."""
        policy = POLICIES.get(item.channel)
        if policy is None:
            return None
        return await self._database.read(lambda connection: _ask(connection, policy, item, at))

    async def count(self, item: OutboxItem, delivery: Delivery, at: datetime) -> None:
        """Count what was sent, or may have been, in the windows that are open."""
        policy = POLICIES.get(item.channel)
        if policy is None or not policy.counted or not isinstance(delivery, Sent | Unclear):
            return
        messages = delivery.messages if isinstance(delivery, Sent) else 1
        await self._database.run(lambda connection: _spend(connection, policy, item.conversation_id, messages, at))


def _ask(connection: Connection, policy: WindowPolicy, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
    if policy.inline:
        until = connection.execute(_HELD_UNTIL, {"conversation": item.conversation_id, "at": at}).scalar()
        if until is not None:
            return Deferred((until - at).total_seconds(), "the platform's call may still be answered in its response")
    rows = _rows(connection, item.conversation_id)
    left = room(policy, _opened(rows), at)
    if not left.is_open:
        return _closed(left)
    keeps_last = item.sender == _BOT and rows[0]["owner"] == Owner.WITH_BOT and _holds(policy, left, at, rows)
    if keeps_last:
        return Refused("one message is left in this window; it is kept for a human's word", Refusal.QUOTA)
    return None


def _holds(policy: WindowPolicy, left: Room, at: datetime, rows: Iterable[Any]) -> bool:
    """Tell whether only the last of several counted messages is left."""
    most = max(
        (
            policy.windows[one.kind].messages or 0
            for one in _opened(rows)
            if one.kind in policy.windows and at - one.at <= policy.windows[one.kind].lasts
        ),
        default=0,
    )
    return left.left == 1 and most > 1


def _closed(left: Room) -> Refused:
    still = ", ".join(offer.value for offer in left.offers)
    if left.used_up:
        return Refused(f"the messages of this window are used up; still possible: {still}", Refusal.QUOTA)
    return Refused(f"the window is closed; still possible: {still}", Refusal.WINDOW)


def _spend(connection: Connection, policy: WindowPolicy, conversation_id: str, messages: int, at: datetime) -> None:
    for kind, window in policy.windows.items():
        if window.messages is not None:
            since: datetime = at - window.lasts
            values = {"conversation": conversation_id, "window_kind": kind.value, "since": since, "messages": messages}
            connection.execute(_SPEND, values)


def _rows(connection: Connection, conversation_id: str) -> list[Any]:
    return list(connection.execute(_OF_CONVERSATION, {"conversation": conversation_id}).mappings())


def _opened(rows: Iterable[Any]) -> list[Opened]:
    kinds = {kind.value for kind in Opening}
    return [Opened(Opening(row["kind"]), row["opened_at"], row["used"]) for row in rows if row["kind"] in kinds]
