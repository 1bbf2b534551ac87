"""What a shopper's own page may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from bot.domain import events as ev
from bot.domain.channel_ports import StreamItem
from bot.domain.ids import ConversationId
from bot.domain.media import media_id
from bot.domain.messages import Attachment, Button, MessageKind, Sender
from storage.database import Database
from storage.senders import KNOWN_CONVERSATIONS, OWN_CONVERSATIONS, known_key, sender_key
from storage.tables import EVENTS, OUTBOX

_SENDERS = {ev.BotUttered.kind: "bot", ev.AgentUttered.kind: "agent", ev.NoticeSent.kind: "notice"}
_NO_END = 2**62


def _first_pending(whose: Select[Any]) -> Any:
    return select(func.min(OUTBOX.c.event_seq)).where(OUTBOX.c.conversation_id.in_(whose), OUTBOX.c.done_at.is_(None))


def _visible(whose: Select[Any], *more: ColumnElement[bool]) -> Any:
    delivered = select(OUTBOX.c.id).where(OUTBOX.c.event_seq == EVENTS.c.seq, OUTBOX.c.state == "sent").exists()
    # The empty end says nothing, but makes SQLite go by the conversations and not by the kind.
    kind = EVENTS.c.kind.concat("")
    shown = or_(kind == ev.CustomerUttered.kind, and_(kind.in_(list(_SENDERS)), delivered))
    return (
        select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.data, EVENTS.c.conversation_id)
        .where(EVENTS.c.conversation_id.in_(whose), shown, EVENTS.c.seq < bindparam("before"), *more)
        .limit(bindparam("most"))
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The statements that read the conversations of ``whose``."""

    pending: Any
    since: Any
    latest: Any

    @classmethod
    def of(cls, whose: Select[Any]) -> _Reading:
        """Write them."""
        since = _visible(whose, EVENTS.c.seq > bindparam("after")).order_by(EVENTS.c.seq)
        return cls(_first_pending(whose), since, _visible(whose).order_by(EVENTS.c.seq.desc()))


_OWN, _KNOWN = _Reading.of(OWN_CONVERSATIONS), _Reading.of(KNOWN_CONVERSATIONS)


class SqlShopperStream:
    """What one identity may see of its conversations, in the order of the events.

    A customer the merchant's site vouches for also sees what he said, and is answered, as the visitor he was before.

    Nothing after the first undelivered message is shown yet: a page that has seen number 7 asks for what comes after
    7 and would never hear of a 6 delivered later.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, sender: Sender, after_seq: int, limit: int) -> tuple[StreamItem, ...]:
        """List items after ``after_seq``, oldest first."""
        values = {"after": after_seq, "most": limit}
        return await self._database.read(lambda connection: tuple(_items(connection, sender, "since", values)))

    async def latest(self, sender: Sender, limit: int) -> tuple[StreamItem, ...]:
        """List the newest ``limit`` items, oldest first."""
        found = await self._database.read(lambda connection: _items(connection, sender, "latest", {"most": limit}))
        return tuple(reversed(found))


def _items(connection: Connection, sender: Sender, which: str, values: dict[str, Any]) -> list[StreamItem]:
    known = known_key(sender)
    own, reading = (known, _KNOWN) if known else (sender_key(sender), _OWN)
    statement = getattr(reading, which)
    first_pending = connection.execute(reading.pending, own).scalar()
    limits = {"before": _NO_END if first_pending is None else first_pending}
    rows = connection.execute(statement, own | values | limits)
    return [_item(seq, at, ev.decode(kind, data), ConversationId(own_id)) for seq, at, kind, data, own_id in rows]


def _item(seq: int, at: datetime, event: ev.Event, conversation_id: ConversationId) -> StreamItem:
    if isinstance(event, ev.CustomerUttered):
        ids = [media_id(conversation_id, event.dedupe_key, place) for place in range(len(event.attachments))]
        own = tuple(_attachment(one, name) for one, name in zip(event.attachments, ids, strict=True))
        return StreamItem(seq, at, "customer", event.text, client_key=event.dedupe_key, attachments=own)
    if isinstance(event, ev.BotUttered):
        buttons = tuple(Button(button["label"], button["payload"]) for button in event.buttons)
        return StreamItem(seq, at, "bot", event.text, buttons)
    if isinstance(event, ev.AgentUttered):
        sent = tuple(_attachment(one, one["reference"]) for one in event.attachments)
        return StreamItem(seq, at, "agent", event.text, agent_name=event.agent_name, attachments=sent)
    text = event.text if isinstance(event, ev.NoticeSent) else ""
    return StreamItem(seq, at, "notice", text)


def _attachment(kept: dict[str, str], media: str) -> Attachment:
    return Attachment(MessageKind(kept["kind"]), media, kept.get("mime", ""), kept.get("name", ""))
