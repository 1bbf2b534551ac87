"""Words of agents that a closed window keeps back: they go out, first of all, as soon as the shopper opens it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update

from bot.domain.conversation import Owner
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage
from bot.domain.people import Agent
from bot.domain.windows import AGENT, POLICIES, Opened, Opening, opening_of, room
from storage import outbox_parts
from storage.database import Database
from storage.tables import CONVERSATIONS, IDENTITIES, OUTBOX, WINDOWS, Upsert
from storage.windows import HELD

_KEPT_BACK = frozenset({"window", "quota", "human_only", "template"})
_BEING_SENT = frozenset({"pending", "sending", "sent"})
_AGAIN = {"tries": 0, "reason": "", "refusal": None, "platform_id": ""}
_MARK = Upsert(lambda into: into(WINDOWS).on_conflict_do_nothing(index_elements=["identity_id", "kind"]))
_UNMARK = delete(WINDOWS).where(WINDOWS.c.identity_id == bindparam("identity"), WINDOWS.c.kind == HELD)
_SAID = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.identity_id == bindparam("identity"))
_WAKE = (
    update(OUTBOX)
    .where(OUTBOX.c.conversation_id.in_(_SAID), OUTBOX.c.state == HELD)
    .values(state="pending", done_at=None, due_at=bindparam("at"))
)
_WINDOWS = select(WINDOWS.c.kind, WINDOWS.c.opened_at, WINDOWS.c.used).where(
    WINDOWS.c.identity_id == bindparam("identity"), WINDOWS.c.kind.in_([kind.value for kind in Opening])
)
_HOLD = (
    select(CONVERSATIONS.c.identity_id, CONVERSATIONS.c.owner, CONVERSATIONS.c.agent_id)
    .where(CONVERSATIONS.c.id == bindparam("conversation"))
    .with_for_update()
)
_CHANNEL = select(IDENTITIES.c.channel).where(IDENTITIES.c.id == bindparam("identity"))


class SqlHeldWords:
    """Keeps agents' words back and lets them go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hold(self, conversation_id: ConversationId, said: int, agent: Agent, at: datetime) -> bool:
        """Keep the words of event ``said`` until the shopper writes; True when they may go out at once instead.

        Conflict unless the agent holds the conversation and the platform's window is what keeps them back.
        """
        its = OUTBOX.c.event_seq == said
        return await self._database.run(lambda connection: _hold(connection, conversation_id, its, agent, at))

    async def hold_reply(self, conversation_id: ConversationId, client_key: str, agent: Agent, at: datetime) -> bool:
        """Do as ``hold`` with the reply that was sent under a key."""
        its = OUTBOX.c.client_key == client_key
        return await self._database.run(lambda connection: _hold(connection, conversation_id, its, agent, at))

    async def withdraw(self, conversation_id: ConversationId, said: int, agent: Agent, at: datetime) -> None:
        """Let words that are kept back never go out; Conflict when they are not, or another agent has it."""
        await self._database.run(lambda connection: _withdraw(connection, conversation_id, said, agent, at))


def wake(connection: Connection, identity_id: str, message: InboundMessage, at: datetime) -> None:
    """Let what is held for an identity go out if its customer's message opens a window; its conversation is held."""
    if message.sender.channel not in POLICIES or opening_of(message) is None:
        return
    if connection.execute(_UNMARK, {"identity": identity_id}).rowcount:
        connection.execute(_WAKE, {"identity": identity_id, "at": at})


def _hold(connection: Connection, conversation_id: str, its: ColumnElement[bool], agent: Agent, at: datetime) -> bool:
    # Whoever takes the shopper's next message in holds the same row: it comes before this or after it.
    row = _conversation(connection, conversation_id)
    if row.owner != Owner.WITH_AGENT or row.agent_id != agent.id:
        raise Conflict("only the agent who has this conversation can send these words; take it first")
    item = _item(connection, conversation_id, its)
    if item.state == HELD or (item.state in _BEING_SENT and item.state != "pending"):
        return bool(item.state != HELD)
    if item.state != "pending" and item.refusal not in _KEPT_BACK:
        raise Conflict(f"these words are {item.state} for another reason ({item.refusal}); nothing was done")
    goes = _lets_agent(connection, row.identity_id, at)
    values: dict[str, Any] = {"state": "pending", "done_at": None, "due_at": at} if goes else _held(at)
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == item.id).values(_AGAIN | values))
    outbox_parts.forget(connection, item.id, item.parts_taken)
    if not goes:
        mark = {"identity_id": row.identity_id, "kind": HELD, "opened_at": at, "used": 0, "token": ""}
        connection.execute(_MARK.on(connection), mark)
    return goes


def _held(at: datetime) -> dict[str, Any]:
    return {"state": HELD, "done_at": at}


def _withdraw(connection: Connection, conversation_id: str, said: int, agent: Agent, at: datetime) -> None:
    row = _conversation(connection, conversation_id)
    if row.owner == Owner.WITH_AGENT and row.agent_id != agent.id:
        raise Conflict("another agent has this conversation; only they can do this")
    item = _item(connection, conversation_id, OUTBOX.c.event_seq == said)
    if item.state != HELD and not (item.state == "refused" and item.refusal in _KEPT_BACK):
        raise Conflict(f"these words are {item.state} and wait for nothing; nothing was done")
    dropped = {"state": "dropped", "done_at": at, "reason": "", "refusal": None}
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == item.id).values(dropped))


def _conversation(connection: Connection, conversation_id: str) -> Any:
    row = connection.execute(_HOLD, {"conversation": conversation_id}).first()
    if row is None:
        raise NotFound(f"there is no conversation {conversation_id!r}")
    return row


def _item(connection: Connection, conversation_id: str, its: ColumnElement[bool]) -> Any:
    found = select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.refusal, OUTBOX.c.parts_taken).where(
        OUTBOX.c.conversation_id == conversation_id, OUTBOX.c.sender == AGENT, its
    )
    item = connection.execute(found.with_for_update()).first()
    if item is None:
        raise NotFound(f"an agent has sent no such words in conversation {conversation_id!r}")
    return item


def _lets_agent(connection: Connection, identity_id: str, at: datetime) -> bool:
    """Tell whether an agent's words may go out now."""
    policy = POLICIES.get(connection.execute(_CHANNEL, {"identity": identity_id}).scalar_one())
    if policy is None:
        return True
    rows = connection.execute(_WINDOWS, {"identity": identity_id})
    left = room(policy, [Opened(Opening(kind), opened_at, used) for kind, opened_at, used in rows], at)
    return left.is_open or left.humans_until is not None
