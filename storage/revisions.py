"""Which message an edit, recall or reaction is about, and the conversation it was said in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from bot.domain.events import CustomerRecalled, CustomerUttered
from bot.domain.messages import InboundMessage, MessageKind
from storage.outbox_parts import called
from storage.senders import IS_SENDER, OWN_CONVERSATIONS
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, INBOX, OUTBOX
from storage.types import clean_text

Found = Row[Any, Any, Any, Any]
"""(conversation id, identity id, customer id, display name)"""

_SAID = (
    select(EVENTS.c.conversation_id, EVENTS.c.seq)
    .where(
        EVENTS.c.conversation_id.in_(OWN_CONVERSATIONS),
        EVENTS.c.kind == CustomerUttered.kind,
        EVENTS.c.data["platform_id"].as_string() == bindparam("concerns"),
    )
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
)
_PENDING = (
    select(INBOX.c.id)
    .where(
        INBOX.c.conversation_id.in_(OWN_CONVERSATIONS),
        INBOX.c.done_at.is_(None),
        INBOX.c.message["platform_id"].as_string() == bindparam("concerns"),
    )
    .limit(1)
)
_SENT = (
    select(OUTBOX.c.conversation_id, OUTBOX.c.event_seq)
    .where(OUTBOX.c.conversation_id.in_(OWN_CONVERSATIONS), called("concerns"))
    .order_by(OUTBOX.c.id.desc())
    .limit(1)
)
_ROWS = (
    select(CONVERSATIONS.c.id, IDENTITIES.c.id, IDENTITIES.c.customer_id, IDENTITIES.c.display_name)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(*IS_SENDER)
    .order_by(CONVERSATIONS.c.opened_at.desc())
    .limit(1)
    .with_for_update(of=CONVERSATIONS)
)
_THAT = _ROWS.where(CONVERSATIONS.c.id == bindparam("conversation"))


NOT_TAKEN_BACK = EVENTS.c.seq.not_in(
    select(EVENTS.c.data["seq"].as_integer()).where(EVENTS.c.kind == CustomerRecalled.kind)
)
"""Events whose words may be shown."""


def place(
    connection: Connection, message: InboundMessage, sender: dict[str, str], opened: Found | None
) -> tuple[Found | None, InboundMessage]:
    """Give the conversation an edit, recall or reaction belongs to, and the message with its target's number.

    That of its target; else the open one; else the last one, so that it opens none. None when there never was any.
    """
    values = sender | {"concerns": clean_text(message.concerns)}
    if message.kind is MessageKind.EDIT and not _is_known(connection, values):
        # What was not said to us before it was edited (in a group, say) is said now.
        return opened, replace(message, kind=MessageKind.TEXT, concerns="", platform_id=message.concerns)
    target = connection.execute(_SAID, values).first() if message.concerns else None
    if target is None and message.concerns and message.kind is MessageKind.REACTION:
        target = connection.execute(_SENT, values).first()
    if target is None:
        return (opened or connection.execute(_ROWS, sender).first()), message
    found = connection.execute(_THAT, sender | {"conversation": target[0]}).first()
    return found or opened, replace(message, concerns_seq=target[1])


def _is_known(connection: Connection, values: dict[str, str]) -> bool:
    return any(connection.execute(statement, values).first() for statement in (_SAID, _PENDING))
