"""The ledger of windows and quotas, and the gate that every sending passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from bot.domain.channel_ports import Deferred, Refusal, Refused
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, IdentityId
from bot.domain.line_ports import OutboxItem
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.windows import (
    NO_PLACE,
    POLICIES,
    REPLY_LASTS,
    Elsewhere,
    Opened,
    Opening,
    Place,
    Room,
    WindowPolicy,
    lasts,
    opening_of,
    room,
    waiting,
)
from storage.database import Database
from storage.tables import CONVERSATIONS, EXCHANGES, IDENTITIES, WINDOWS, Upsert
from storage.types import Moment, clean_text

_MAX_TOKEN_CHARS = 256
TEMPLATE = "template"
"""The kind under which templates are counted; no opening of a customer's."""

HELD = "held"
"""The kind that notes that an identity has words of agents waiting; no opening either."""

_USED_UP = 1000
_BOT, _NOTICE = "bot", "notice"
_GIVES_WAY = {Owner.WITH_BOT.value: (_BOT,), Owner.WITH_AGENT.value: (_BOT, _NOTICE)}
"""Who does not get the last of several counted messages, by who owns the conversation."""

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
# What an agent has said and keeps waiting is not the customer's to close.
_CLOSE = delete(WINDOWS).where(WINDOWS.c.identity_id == bindparam("identity"), WINDOWS.c.kind != HELD)
_OF_CONVERSATION = (
    select(
        CONVERSATIONS.c.identity_id,
        IDENTITIES.c.channel,
        CONVERSATIONS.c.owner,
        WINDOWS.c.kind,
        WINDOWS.c.opened_at,
        WINDOWS.c.used,
    )
    .select_from(CONVERSATIONS)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .outerjoin(WINDOWS, WINDOWS.c.identity_id == IDENTITIES.c.id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
)
_HERE = CONVERSATIONS.alias("here")
_THERE = CONVERSATIONS.alias("there")
_OTHERS = (
    select(
        IDENTITIES.c.id.label("identity_id"),
        IDENTITIES.c.channel,
        IDENTITIES.c.display_name,
        _THERE.c.id.label("open_id"),
        WINDOWS.c.kind,
        WINDOWS.c.opened_at,
        WINDOWS.c.used,
    )
    .select_from(_HERE)
    .join(IDENTITIES, (IDENTITIES.c.customer_id == _HERE.c.customer_id) & (IDENTITIES.c.id != _HERE.c.identity_id))
    .outerjoin(_THERE, (_THERE.c.identity_id == IDENTITIES.c.id) & (_THERE.c.owner != Owner.RESOLVED.value))
    .outerjoin(WINDOWS, WINDOWS.c.identity_id == IDENTITIES.c.id)
    .where(_HERE.c.id == bindparam("conversation"))
    .order_by(IDENTITIES.c.created_at, IDENTITIES.c.id)
)
_IDENTITY = select(CONVERSATIONS.c.identity_id).where(CONVERSATIONS.c.id == bindparam("conversation")).scalar_subquery()
_TOKEN = select(WINDOWS.c.token, WINDOWS.c.opened_at).where(
    WINDOWS.c.identity_id == _IDENTITY, WINDOWS.c.kind == bindparam("token_kind"), WINDOWS.c.used <= bindparam("most")
)
_TAKE = (
    update(WINDOWS)
    .where(
        WINDOWS.c.identity_id == _IDENTITY,
        WINDOWS.c.kind == Opening.REPLY.value,
        WINDOWS.c.used == 0,
        WINDOWS.c.opened_at >= bindparam("since"),
    )
    .values(used=1)
    .returning(WINDOWS.c.token)
)
_LOCK = select(WINDOWS.c.kind).where(WINDOWS.c.identity_id == _IDENTITY).order_by(WINDOWS.c.kind).with_for_update()
_SPEND = (
    update(WINDOWS)
    .where(WINDOWS.c.identity_id == _IDENTITY, WINDOWS.c.kind == bindparam("window_kind"))
    .values(used=WINDOWS.c.used + bindparam("messages"))
)
_OF_IDENTITY = (
    select(CONVERSATIONS.c.id)
    .join(_HERE, _HERE.c.identity_id == CONVERSATIONS.c.identity_id)
    .where(_HERE.c.id == bindparam("conversation"))
)
# What waits of an earlier conversation may be answered too, and must not overtake its own beginning.
_HELD_UNTIL = (
    select(EXCHANGES.c.open_until)
    .where(
        EXCHANGES.c.conversation_id.in_(_OF_IDENTITY),
        EXCHANGES.c.open_until > bindparam("at"),
    )
    .order_by(EXCHANGES.c.open_until.desc())
    .limit(1)
)


def keeps_windows(channel: str) -> bool:
    """Tell whether what customers do there is kept: it opens windows, or brings codes."""
    return channel in POLICIES or channel in REPLY_LASTS


def open_window(connection: Connection, identity_id: str, message: InboundMessage, at: datetime) -> None:
    """Record what a message from the customer opens; leaving the channel closes everything."""
    if not keeps_windows(message.sender.channel):
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


def open_after_end(connection: Connection, identity_id: str, code: str, at: datetime) -> None:
    """Record what the platform still lets us say to whose session has ended; nothing without a code."""
    kept = clean_text(code, _MAX_TOKEN_CHARS)
    if kept:
        row = {"identity_id": identity_id, "kind": Opening.END.value, "opened_at": at, "used": 0, "token": kept}
        connection.execute(_OPEN.on(connection), row)


def learn(connection: Connection, conversation_id: str, refusal: str, sent_at: datetime) -> None:
    """Note what a platform says of a message it took and did not deliver: its window is over, or used up.

    What the customer has opened since ``sent_at`` stays as it is.
    """
    openings = (
        WINDOWS.c.identity_id == _IDENTITY,
        WINDOWS.c.kind.in_([kind.value for kind in Opening]),
        WINDOWS.c.opened_at <= bindparam("sent_at", type_=Moment),
    )
    values = {"conversation": conversation_id, "sent_at": sent_at}
    if refusal == Refusal.WINDOW:
        connection.execute(delete(WINDOWS).where(*openings), values)
    elif refusal == Refusal.QUOTA:
        connection.execute(update(WINDOWS).where(*openings).values(used=_USED_UP), values)


class SqlWindowLedger:
    """Tells what may still be sent, and hands out the codes that pay for an answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_conversation(self, conversation_id: ConversationId, at: datetime) -> Room | None:
        """Give the room of the conversation's identity; None when its channel has no windows."""
        rows = await self._database.glance(lambda connection: _rows(connection, conversation_id))
        return _room(rows, at) if rows else None

    async def elsewhere(self, conversation_id: ConversationId, at: datetime) -> tuple[Elsewhere, ...]:
        """List the customer's other channels, those that may be written to first."""
        found = await self._database.glance(lambda connection: tuple(_elsewhere(connection, conversation_id, at)))
        return tuple(sorted(found, key=lambda other: not other.is_open))

    async def token(self, conversation_id: ConversationId, kind: Opening, at: datetime) -> str:
        """Give the code of the last such action; empty when there is none, it was used, or its time is over."""
        # Whoever is about to send has counted its message: the code of a counted window pays for that one.
        most = 0 if kind is Opening.REPLY else 1
        values = {"conversation": conversation_id, "token_kind": kind.value, "most": most}
        found = await self._database.glance(lambda connection: connection.execute(_TOKEN, values).first())
        if found is None:
            return ""
        return str(found[0]) if at - found[1] <= lasts(kind) else ""

    async def take(self, conversation_id: ConversationId, at: datetime) -> str:
        """Use up the code of the last message before it is sent: nobody else gets it; empty when there is none."""
        if not await self.token(conversation_id, Opening.REPLY, at):
            return ""  # the usual case of a late answer costs no commit
        values = {"conversation": conversation_id, "since": at - lasts(Opening.REPLY)}
        taken = await self._database.run(lambda connection: connection.execute(_TAKE, values).scalar())
        return str(taken or "")


class SqlSendingGate:
    """Asked before every sending, whoever sends; channels without windows cost nothing.

    The last of several counted messages is kept for a person's words, or for the word that hands over or closes.
    ``alone`` tells by channel whether its account may send nothing by itself: what is refused to others may wait there.
    """

    def __init__(self, database: Database, alone: Mapping[str, Callable[[], Awaitable[bool]]] | None = None) -> None:
        self._database = database
        self._alone = alone or {}

    async def ask(self, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
        """Say why the message must not go out (now, or at all); None: it may."""
        policy = POLICIES.get(item.channel)
        if policy is None:
            return None
        verdict = await self._database.glance(lambda connection: _ask(connection, policy, item, at))
        if isinstance(verdict, Refused) and await self._is_alone(item.channel):
            return await self._may_wait(policy, item, at)
        return verdict

    async def reserve(self, item: OutboxItem, at: datetime, messages: int = 1) -> Place | Refused:
        """Count what a message makes before it is sent; Refused when there is no room for it (any more)."""
        policy = POLICIES.get(item.channel)
        if policy is None or not policy.counted:
            return NO_PLACE
        place = await self._database.run(lambda connection: _reserve(connection, policy, item, (messages, at)))
        if isinstance(place, Refused) and await self._is_alone(item.channel):
            return await self._may_wait(policy, item, at) or NO_PLACE
        return place

    async def count(self, item: OutboxItem, went: int, at: datetime, place: Place = NO_PLACE) -> None:
        """Count the messages that went out, or may have, in the windows that are open; ``place`` is one of them."""
        policy = POLICIES.get(item.channel)
        if policy is None:
            return
        if went and item.message.template is not None and policy.templates:
            await self._database.run(lambda connection: _count_template(connection, item.conversation_id, at))
        if not policy.counted:
            return
        rows = await self._database.glance(lambda connection: _rows(connection, item.conversation_id))
        if _missing(policy, rows, went, at, place):
            await self._database.run(lambda connection: _correct(connection, policy, item, (went, at, place)))

    async def _is_alone(self, channel: str) -> bool:
        return channel in self._alone and await self._alone[channel]()

    async def _may_wait(self, policy: WindowPolicy, item: OutboxItem, at: datetime) -> Refused | None:
        """Let the adapter have it, which keeps it for the customer's next word, unless he acted too long ago."""
        rows = await self._database.glance(lambda connection: _rows(connection, item.conversation_id))
        return _refusal(waiting(policy), rows, item, at)


def _ask(connection: Connection, policy: WindowPolicy, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
    if policy.inline:
        until = connection.execute(_HELD_UNTIL, {"conversation": item.conversation_id, "at": at}).scalar()
        if until is not None:
            return Deferred((until - at).total_seconds(), "the platform's call may still be answered in its response")
    return _refusal(policy, _rows(connection, item.conversation_id), item, at)


def _refusal(
    policy: WindowPolicy, rows: Sequence[Any], item: OutboxItem, at: datetime, messages: int = 1
) -> Refused | None:
    left = room(policy, _opened(rows), at)
    if not left.lets(item):
        return _closed(left)
    most = max((policy.windows[one.kind].messages or 0 for one in _counting(policy, rows, at)), default=0)
    # What makes more messages than there ever are is sent as far as it goes: waiting would not help it.
    if left.left is None or left.left >= most:
        return None
    if messages > left.left:
        return Refused(f"it makes {messages} messages and {left.left} are left in this window", Refusal.QUOTA)
    if left.left == messages and item.sender in _GIVES_WAY.get(rows[0]["owner"], ()):
        return Refused("the last message of this window is kept for a human's word", Refusal.KEPT)
    return None


def _reserve(
    connection: Connection, policy: WindowPolicy, item: OutboxItem, wanted: tuple[int, datetime]
) -> Place | Refused:
    # Two conversations of one identity may be delivered at once: the later one waits here and counts anew.
    connection.execute(_LOCK, {"conversation": item.conversation_id}).all()
    messages, at = wanted
    rows = _rows(connection, item.conversation_id)
    refusal = _refusal(policy, rows, item, at, messages)
    if refusal is not None:
        return refusal
    opened = {one.kind.value: one.at for one in _counting(policy, rows, at)}
    left = room(policy, _opened(rows), at).left
    # What never fits takes all there is and no more, so that a code that pays for one message still pays for its first.
    taken = messages if left is None else min(messages, left)
    for kind in opened:
        connection.execute(_SPEND, {"conversation": item.conversation_id, "window_kind": kind, "messages": taken})
    return Place(opened, taken)


def _counting(policy: WindowPolicy, rows: Iterable[Any], at: datetime) -> list[Opened]:
    """List the windows that are open and count."""
    windows = ((one, policy.windows.get(one.kind)) for one in _opened(rows))
    return [one for one, window in windows if window and window.messages is not None and at - one.at <= window.lasts]


def _missing(policy: WindowPolicy, rows: Iterable[Any], went: int, at: datetime, place: Place) -> dict[str, int]:
    """Tell by kind how many messages are still to be counted (fewer than none: too many were).

    A window that was opened anew since the place was taken, be it within the same second, knows nothing of it.
    """
    taken = {
        one.kind.value: place.messages
        if place.opened.get(one.kind.value) == one.at and one.used >= place.messages
        else 0
        for one in _counting(policy, rows, at)
    }
    return {kind: went - one for kind, one in taken.items() if went != one}


def _correct(connection: Connection, policy: WindowPolicy, item: OutboxItem, sent: tuple[int, datetime, Place]) -> None:
    connection.execute(_LOCK, {"conversation": item.conversation_id}).all()
    for kind, messages in _missing(policy, _rows(connection, item.conversation_id), *sent).items():
        connection.execute(_SPEND, {"conversation": item.conversation_id, "window_kind": kind, "messages": messages})


def _closed(left: Room) -> Refused:
    still = ", ".join(offer.value for offer in left.offers)
    if left.used_up:
        return Refused(f"the messages of this window are used up; still possible: {still}", Refusal.QUOTA)
    return Refused(f"the window is closed; still possible: {still}", Refusal.WINDOW)


def _count_template(connection: Connection, conversation_id: str, at: datetime) -> None:
    """Count a template; the count begins anew when the customer writes."""
    rows = _rows(connection, conversation_id)
    values = {
        "identity_id": rows[0]["identity_id"],
        "kind": TEMPLATE,
        "opened_at": at,
        "used": _templates_sent(rows) + 1,
        "token": "",
    }
    connection.execute(_OPEN.on(connection), values)


def _templates_sent(rows: Iterable[Any]) -> int:
    at = {row["kind"]: (row["opened_at"], row["used"]) for row in rows}
    sent, wrote = at.get(TEMPLATE), at.get(Opening.MESSAGE.value)
    return int(sent[1]) if sent and (wrote is None or sent[0] >= wrote[0]) else 0


def _room(rows: Sequence[Any], at: datetime) -> Room | None:
    policy = POLICIES.get(rows[0]["channel"])
    if policy is None:
        return None
    return replace(room(policy, _opened(rows), at), templates_sent=_templates_sent(rows))


def _elsewhere(connection: Connection, conversation_id: str, at: datetime) -> Iterator[Elsewhere]:
    found = connection.execute(_OTHERS, {"conversation": conversation_id}).mappings()
    for _, rows in groupby(found, key=lambda row: row["identity_id"]):
        identity = list(rows)
        first = identity[0]
        yield Elsewhere(
            IdentityId(first["identity_id"]),
            first["channel"],
            first["display_name"],
            ConversationId(first["open_id"]) if first["open_id"] else None,
            _room(identity, at),
        )


def _rows(connection: Connection, conversation_id: str) -> list[Any]:
    return list(connection.execute(_OF_CONVERSATION, {"conversation": conversation_id}).mappings())


def _opened(rows: Iterable[Any]) -> list[Opened]:
    kinds = {kind.value for kind in Opening}
    return [Opened(Opening(row["kind"]), row["opened_at"], row["used"]) for row in rows if row["kind"] in kinds]
