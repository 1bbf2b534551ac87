"""How many parts of a long message a platform has taken, so that a later try goes on behind them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing that waits now is known to be taken in part."""
    op.add_column("outbox", sa.Column("parts_taken", sa.Integer(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Drop the column; a message taken in part starts over."""
    op.drop_column("outbox", "parts_taken")
