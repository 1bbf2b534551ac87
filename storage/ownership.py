"""Changes of owner: one at a time, each with its epoch, its event and its assignment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, case, insert, select, update

from bot.domain.conversation import ALLOWED_CHANGES, Conversation, Owner
from bot.domain.desk_ports import Notice
from bot.domain.errors import Conflict, NotFound, RefusedInput
from bot.domain.events import AgentUttered, NoticeSent, OwnerChanged
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import OutboundMessage
from bot.domain.people import Agent, Role
from storage import conversations, events, outbox
from storage.database import Units
from storage.inbox import open_conversation
from storage.messages import encode_attachment
from storage.tables import AGENTS, ASSIGNMENTS, CONVERSATIONS, INBOX, OUTBOX
from storage.types import clean_text

LAST_TEXT_CHARS = 200
_GONE = HandoffReason.AGENT_GONE.value
_MAX_CLIENT_KEY_CHARS = 64

HELD = (
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.customer_id,
    CONVERSATIONS.c.identity_id,
    CONVERSATIONS.c.owner,
    CONVERSATIONS.c.epoch,
    CONVERSATIONS.c.agent_id,
    CONVERSATIONS.c.locale,
)
"""What whoever holds a conversation knows of it."""

LOCK = select(*HELD).where(CONVERSATIONS.c.id == bindparam("conversation")).with_for_update()
"""Load a conversation's row and hold it until the unit commits."""

Held = RowMapping | Mapping[str, Any]
"""A row of ``HELD``."""

SAVE = update(CONVERSATIONS).where(CONVERSATIONS.c.id == bindparam("conversation"))
"""Change the columns given as parameters of the conversation held."""

_END_ASSIGNMENT = (
    update(ASSIGNMENTS)
    .where(ASSIGNMENTS.c.conversation_id == bindparam("conversation"), ASSIGNMENTS.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)
_WAITS_AGAIN = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
    .values(
        handoff_reason=case((CONVERSATIONS.c.handoff_reason == "", _GONE), else_=CONVERSATIONS.c.handoff_reason),
        handoff_priority=case(
            (CONVERSATIONS.c.handoff_priority == Priority.URGENT.value, Priority.URGENT.value),
            else_=Priority.HIGH.value,
        ),
    )
)
_STILL_PENDING = (
    select(INBOX.c.id).where(INBOX.c.conversation_id == bindparam("conversation"), INBOX.c.done_at.is_(None)).limit(1)
)
_MOVE_PENDING = (
    update(INBOX)
    .where(INBOX.c.conversation_id == bindparam("conversation"), INBOX.c.done_at.is_(None))
    .values(conversation_id=bindparam("opened"))
)


@dataclass(frozen=True, slots=True)
class ChangeOfOwner:
    """Who owns the conversation from now on, and by whose doing (``bot``, ``customer`` or an agent's id)."""

    after: Owner
    by: str
    agent: Agent | None = None


def change_owner(row: Held, change: ChangeOfOwner, at: datetime) -> tuple[OwnerChanged, dict[str, Any]]:
    """Work out the event and the new column values of a change; Conflict when the state does not permit it."""
    before = Owner(row["owner"])
    if change.after not in ALLOWED_CHANGES[before]:
        raise Conflict(f"conversation {row['id']} is {before.value} and cannot become {change.after.value}")
    held_by = change.agent if change.after is Owner.WITH_AGENT else None
    event = OwnerChanged(
        before=before.value,
        after=change.after.value,
        epoch=row["epoch"] + 1,
        by=change.by,
        agent_id=held_by.id if held_by else "",
        agent_name=held_by.display_name if held_by else "",
    )
    values: dict[str, Any] = {
        "owner": change.after.value,
        "epoch": event.epoch,
        "agent_id": held_by.id if held_by else None,
        "waiting_since": at if change.after is Owner.WAITING_FOR_AGENT else None,
        "resolved_at": at if change.after is Owner.RESOLVED else None,
        "snoozed_until": None,
        "snoozed_seq": None,
    }
    if change.after is Owner.WITH_BOT:
        values |= {"handoff_reason": "", "handoff_summary": "", "handoff_priority": ""}
    return event, values


def settle_change(connection: Connection, row: Held, event: OwnerChanged, at: datetime) -> None:
    """Keep assignments true, and let what a resolved conversation left unread open the next; the row is updated."""
    if event.before == Owner.WITH_AGENT:
        connection.execute(_END_ASSIGNMENT, {"conversation": row["id"], "at": at})
    if event.agent_id:
        connection.execute(
            insert(ASSIGNMENTS), {"conversation_id": row["id"], "agent_id": event.agent_id, "started_at": at}
        )
    if event.after == Owner.RESOLVED and connection.execute(_STILL_PENDING, {"conversation": row["id"]}).first():
        opened = open_conversation(connection, row["identity_id"], row["customer_id"], at)
        connection.execute(_MOVE_PENDING, {"conversation": row["id"], "opened": opened})


class SqlOwnershipStore:
    """Takes, gives back, resolves and speaks for agents; every change is one unit."""

    def __init__(self, database: Units, notice: Notice) -> None:
        """Keep the database and ``notice``, which words what the shopper is told (``""``: nothing).

        Keys: ``notice.agent_joined``, ``notice.given_back``, ``notice.requeued``, ``notice.resolved``; each with
        ``agent_name``.
        """
        self._database = database
        self._notice = notice

    async def take(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Give the conversation to the agent; Conflict names who has it when somebody else was first."""
        return await self._database.run(lambda connection: self._take(connection, conversation_id, agent, at))

    async def give_back(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Return it to the bot; Conflict unless the agent holds it, nobody does, or a manager asks."""
        change = ChangeOfOwner(Owner.WITH_BOT, agent.id, agent)
        return await self._database.run(
            lambda connection: self._leave(connection, conversation_id, change, "notice.given_back", at)
        )

    async def resolve(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """End it; Conflict unless the agent holds it, nobody does, or a manager asks."""
        change = ChangeOfOwner(Owner.RESOLVED, agent.id, agent)
        return await self._database.run(
            lambda connection: self._leave(connection, conversation_id, change, "notice.resolved", at)
        )

    async def requeue(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Let it wait for another agent, since this one is gone; unchanged unless he holds it."""
        return await self._database.run(lambda connection: self._requeue(connection, conversation_id, agent, at))

    async def reply(
        self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime, client_key: str
    ) -> None:
        """Send the agent's words; Conflict unless the agent holds it, RefusedInput when there are none.

        A second call with the same ``client_key`` changes nothing.
        """
        await self.send(conversation_id, agent, OutboundMessage(text), at, client_key)

    async def send(
        self, conversation_id: ConversationId, agent: Agent, message: OutboundMessage, at: datetime, client_key: str
    ) -> None:
        """Send a whole message of the agent's; errors and ``client_key`` as with ``reply``."""
        words = clean_text(message.text).strip()
        if not words and not message.attachments:
            raise RefusedInput("the reply is empty; write something before sending")
        used = message.template.name if message.template else ""
        attachments = [encode_attachment(attachment) for attachment in message.attachments]
        event = AgentUttered(words, agent.id, agent.display_name, used, attachments)
        draft = OutboxDraft(replace(message, text=words), "agent", event)
        await self._database.run(
            lambda connection: _reply(connection, conversation_id, draft, at, _short_key(client_key))
        )

    def _take(self, connection: Connection, conversation_id: str, agent: Agent, at: datetime) -> Conversation:
        row = locked(connection, conversation_id)
        if row["owner"] == Owner.WITH_AGENT and row["agent_id"] == agent.id:
            return conversations.get(connection, conversation_id)
        if row["owner"] == Owner.WITH_AGENT:
            raise Conflict(f"{_name_of(connection, row['agent_id'])} already has this conversation")
        if row["owner"] == Owner.RESOLVED:
            raise Conflict("this conversation is resolved; the shopper's next message opens another")
        change = ChangeOfOwner(Owner.WITH_AGENT, agent.id, agent)
        return self._change(connection, row, change, "notice.agent_joined", at)

    def _requeue(self, connection: Connection, conversation_id: str, agent: Agent, at: datetime) -> Conversation:
        row = locked(connection, conversation_id)
        if row["owner"] != Owner.WITH_AGENT or row["agent_id"] != agent.id:
            return conversations.get(connection, conversation_id)
        # Somebody was there already: a shopper who has to wait again does not wait at the end.
        connection.execute(_WAITS_AGAIN, {"conversation": conversation_id})
        change = ChangeOfOwner(Owner.WAITING_FOR_AGENT, agent.id, agent)
        return self._change(connection, row, change, "notice.requeued", at)

    def _leave(
        self, connection: Connection, conversation_id: str, change: ChangeOfOwner, key: str, at: datetime
    ) -> Conversation:
        row = locked(connection, conversation_id)
        if row["owner"] == change.after:
            return conversations.get(connection, conversation_id)
        agent = change.agent
        held_by_other = row["agent_id"] is not None and (agent is None or row["agent_id"] != agent.id)
        if held_by_other and not (agent and agent.role.reaches(Role.MANAGER)):
            raise Conflict(f"{_name_of(connection, row['agent_id'])} has this conversation; only they can do this")
        return self._change(connection, row, change, key, at)

    def _change(
        self, connection: Connection, row: RowMapping, change: ChangeOfOwner, key: str, at: datetime
    ) -> Conversation:
        event, values = change_owner(row, change, at)
        events.append(connection, row["id"], [event], at)
        text = clean_text(self._notice(key, {"agent_name": _agent_name(change)}, row["locale"]))
        if text:
            outbox.add(connection, row["id"], [OutboxDraft(OutboundMessage(text), "notice", NoticeSent(text, key))], at)
            values |= {"last_text": text[:LAST_TEXT_CHARS], "last_sender": "notice"}
        connection.execute(SAVE, values | {"conversation": row["id"], "updated_at": at})
        settle_change(connection, row, event, at)
        return conversations.get(connection, row["id"])


def locked(connection: Connection, conversation_id: str) -> RowMapping:
    """Load the conversation's row and hold it; NotFound when there is none."""
    row = connection.execute(LOCK, {"conversation": conversation_id}).mappings().first()
    if row is None:
        raise NotFound(f"there is no conversation {conversation_id!r}")
    return row


def _reply(connection: Connection, conversation_id: str, draft: OutboxDraft, at: datetime, client_key: str) -> None:
    row = locked(connection, conversation_id)
    sent_before = select(OUTBOX.c.id).where(
        OUTBOX.c.conversation_id == conversation_id, OUTBOX.c.client_key == client_key
    )
    if client_key and connection.execute(sent_before).first():
        return
    event = draft.event
    if not isinstance(event, AgentUttered) or row["owner"] != Owner.WITH_AGENT or row["agent_id"] != event.agent_id:
        raise Conflict(_why_not_yours(connection, row))
    outbox.add(connection, conversation_id, [draft], at, client_key=client_key or None)
    shown = event.text or f"[{event.attachments[0]['kind']}]"
    last_word = {"last_text": shown[:LAST_TEXT_CHARS], "last_sender": "agent", "updated_at": at}
    connection.execute(SAVE, last_word | {"conversation": conversation_id})


def _why_not_yours(connection: Connection, row: RowMapping) -> str:
    if row["agent_id"]:
        return f"{_name_of(connection, row['agent_id'])} has this conversation; the reply was not sent"
    if row["owner"] == Owner.RESOLVED:
        return "this conversation is resolved; the reply was not sent"
    return "nobody has taken this conversation; take it first, then reply"


def _name_of(connection: Connection, agent_id: str) -> str:
    name = connection.execute(select(AGENTS.c.display_name).where(AGENTS.c.id == agent_id)).scalar()
    return name or "another agent"


def _agent_name(change: ChangeOfOwner) -> str:
    return change.agent.display_name if change.agent else ""


def _short_key(client_key: str) -> str:
    if len(client_key) <= _MAX_CLIENT_KEY_CHARS:
        return clean_text(client_key)
    return hashlib.sha256(client_key.encode(errors="replace")).hexdigest()
