"""The tables as Core objects, and statements that read the same on both databases.

Statements of the hot path are built once at import from these, so that SQLAlchemy compiles each a single time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from storage import due_models, media_models, models, order_models, part_models

S = TypeVar("S")


def _table(row: type[models.Base]) -> Table:
    return cast("Table", row.__table__)


CUSTOMERS = _table(models.CustomerRow)
IDENTITIES = _table(models.IdentityRow)
FACTS = _table(models.FactRow)
LINKS = _table(models.LinkRow)
RECEIPTS = _table(models.ReceiptRow)
RECEIPT_MARKS = _table(models.ReceiptMarkRow)
CONVERSATIONS = _table(models.ConversationRow)
EVENTS = _table(models.EventRow)
INBOX = _table(models.InboxRow)
OUTBOX = _table(models.OutboxRow)
OUTBOX_PARTS = _table(part_models.OutboxPartRow)
AGENTS = _table(models.AgentRow)
ASSIGNMENTS = _table(models.AssignmentRow)
TICKETS = _table(models.TicketRow)
TICKET_NOTES = _table(models.TicketNoteRow)
PROOF_ATTEMPTS = _table(order_models.ProofAttemptRow)
NETWORK_TRIES = _table(order_models.NetworkTryRow)
PROVED_ORDERS = _table(order_models.ProvedOrderRow)
ORDERS = _table(order_models.OrderRow)
ORDER_ITEMS = _table(order_models.OrderItemRow)
PARCELS = _table(order_models.ParcelRow)
WINDOWS = _table(models.WindowRow)
CURSORS = _table(models.CursorRow)
EXCHANGES = _table(models.ExchangeRow)
KNOWLEDGE = _table(models.KnowledgeRow)
SURVEYS = _table(due_models.SurveyRow)
LOOKS = _table(due_models.LookRow)
MEDIA = _table(media_models.MediaRow)
MEDIA_PIECES = _table(media_models.MediaPieceRow)


class Upsert:
    """An INSERT with an ON CONFLICT clause, which each dialect spells through its own ``insert``."""

    def __init__(self, build: Callable[[Callable[[Table], Any]], Any]) -> None:
        """Build both spellings; ``build`` is given the dialect's ``insert``."""
        self._spellings = {"sqlite": build(sqlite.insert), "postgresql": build(postgresql.insert)}

    def on(self, connection: Connection) -> Any:
        """Give the spelling of the connection's database."""
        return self._spellings[connection.dialect.name]
