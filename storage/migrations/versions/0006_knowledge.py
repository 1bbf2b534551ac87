"""Entries of the merchant can be switched off, and running processes see what changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the state and the revision; what is there is switched on."""
    op.add_column("knowledge", sa.Column("state", sa.String(8), nullable=False, server_default="on"))
    op.add_column("knowledge", sa.Column("revision", _BIG, nullable=False, server_default=sa.text("0")))
    op.create_index("ix_knowledge_revision", "knowledge", ["revision"])


def downgrade() -> None:
    """Forget both; entries that were deleted are dropped, those switched off are on again."""
    op.execute(sa.text("DELETE FROM knowledge WHERE state = 'gone'"))
    op.drop_index("ix_knowledge_revision", "knowledge")
    op.drop_column("knowledge", "revision")
    op.drop_column("knowledge", "state")
