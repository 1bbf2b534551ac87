"""Short ways to write the message line's tests down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from bot.domain import events as ev
from bot.domain.ids import AgentId, ConversationId
from bot.domain.line_ports import OutboxDraft, PendingTurn, TurnCommit
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.people import Agent, Role
from storage.database import Database
from storage.inbox import SqlInboxStore
from storage.outbox import SqlOutboxStore
from storage.ownership import SqlOwnershipStore
from storage.tables import AGENTS
from storage.turns import SqlTurnStore

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def sender(name: str = "lin") -> Sender:
    """Make a shopper of the web channel."""
    return Sender("web", "shop", name, display_name=name.title())


def message(key: str, text: str = "在吗", who: Sender | None = None) -> InboundMessage:
    """Make an inbound text."""
    return InboundMessage(who or sender(), key, MessageKind.TEXT, NOW, text)


def says(text: str, by: str = "bot") -> OutboxDraft:
    """Make a message of the bot."""
    return OutboxDraft(OutboundMessage(text), by, ev.BotUttered(text))


def notice(key: str, data: Any, locale: str) -> str:
    """Word a notice by its key."""
    return f"{key}|{data['agent_name']}|{locale}"


@dataclass
class Line:
    """All stores over one database."""

    database: Database
    inbox: SqlInboxStore = field(init=False)
    turns: SqlTurnStore = field(init=False)
    outbox: SqlOutboxStore = field(init=False)
    ownership: SqlOwnershipStore = field(init=False)

    def __post_init__(self) -> None:
        """Open the stores."""
        self.inbox = SqlInboxStore(self.database)
        self.turns = SqlTurnStore(self.database)
        self.outbox = SqlOutboxStore(self.database)
        self.ownership = SqlOwnershipStore(self.database, notice)

    async def accept(self, *keys: str, who: Sender | None = None) -> ConversationId:
        """Take messages in; return their conversation."""
        taken = await self.inbox.accept([message(key, who=who) for key in keys], NOW)
        return taken[-1].conversation_id

    async def pending(self, conversation_id: ConversationId) -> PendingTurn:
        """Load a turn that must be there."""
        turn = await self.turns.load_turn(conversation_id)
        assert turn is not None
        return turn

    async def commit(self, turn: PendingTurn, *words: str, **changes: Any) -> None:
        """Commit a turn in which the bot says ``words``."""
        await self.turns.commit_turn(commit_of(turn, *words, **changes))

    async def answered(self, key: str = "k1", who: Sender | None = None) -> ConversationId:
        """Take a message in and answer it."""
        conversation_id = await self.accept(key, who=who)
        await self.commit(await self.pending(conversation_id), "您好")
        return conversation_id

    async def count(self, table: Any) -> int:
        """Count a table's rows."""
        return len(await self.rows(table))

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        """List a table's rows."""
        return await self.database.read(
            lambda connection: [dict(row) for row in connection.execute(select(table)).mappings()]
        )

    async def hire(self, login: str, role: Role = Role.AGENT) -> Agent:
        """Add a person."""
        agent = Agent(AgentId(f"agent-{login}"), login, login.title(), role, active=True)
        values = {
            "id": agent.id,
            "login": login,
            "display_name": agent.display_name,
            "role": role.value,
            "password_hash": "x",
            "sessions_valid_after": NOW,
            "created_at": NOW,
        }
        await self.database.run(lambda connection: connection.execute(insert(AGENTS), values) and None)
        return agent


def commit_of(turn: PendingTurn, *words: str, **changes: Any) -> TurnCommit:
    """Make the commit of a turn in which the bot says ``words``."""
    said = [ev.CustomerUttered(each.text, dedupe_key=each.dedupe_key) for _, each in turn.inbox]
    events: tuple[ev.Event, ...] = (*said, *changes.pop("events", ()))
    values: dict[str, Any] = {
        "conversation_id": turn.conversation.id,
        "expected_epoch": turn.conversation.epoch,
        "inbox_ids": tuple(inbox_id for inbox_id, _ in turn.inbox),
        "events": events,
        "outbox": tuple(says(text) for text in words),
        "tracker": turn.tracker.fold(events),
        "at": NOW,
    }
    return TurnCommit(**(values | changes))
