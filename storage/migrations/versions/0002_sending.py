"""The outbox knows what is being sent, what is unclear, and why something was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEX = "ix_outbox_pending"
_UNDELIVERED = "state IN ('refused', 'unclear')"


def upgrade() -> None:
    """Find open rows by ``done_at``, since ``sending`` ones are open too; list dead letters quickly."""
    op.add_column("outbox", sa.Column("refusal", sa.String(length=16), nullable=True))
    _replace_index("done_at IS NULL")
    op.create_index(
        "ix_outbox_undelivered",
        "outbox",
        ["id"],
        sqlite_where=sa.text(_UNDELIVERED),
        postgresql_where=sa.text(_UNDELIVERED),
    )


def downgrade() -> None:
    """Give the states back that the first schema knows: what was interrupted counts as refused."""
    op.execute("UPDATE outbox SET state = 'refused' WHERE state IN ('sending', 'unclear')")
    op.drop_index("ix_outbox_undelivered", table_name="outbox")
    _replace_index("state = 'pending'")
    op.drop_column("outbox", "refusal")


def _replace_index(where: str) -> None:
    op.drop_index(_INDEX, table_name="outbox")
    op.create_index(
        _INDEX,
        "outbox",
        ["conversation_id", "id"],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
