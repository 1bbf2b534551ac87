"""Tries to prove orders, counted by the network address they come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "network_tries",
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("try_id", sa.String(32), nullable=False),
        sa.Column("counts_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("network", "place", name="pk_network_tries"),
    )
    op.create_index("ix_network_tries_counts_until", "network_tries", ["counts_until"])


def downgrade() -> None:
    """Count by customer and by order alone."""
    op.drop_table("network_tries")
