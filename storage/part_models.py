"""The table of what a platform calls each part of a message that it took in several."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.models import Base


class OutboxPartRow(Base):
    """A part of an outbox row's message, by number from 0; a message of one part has none."""

    __tablename__ = "outbox_parts"

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    platform_id: Mapped[str] = mapped_column(String(200), index=True)
