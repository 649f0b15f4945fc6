"""A window of failures in place of their row; events for the operator; the tags that stand by our hand, remembered anew."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("window", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("endpoints", sa.Column("told_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_column("endpoints", "failures")
    op.create_table(
        "operator_events",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_operator_events_due_ms"), "operator_events", ["due_ms"], unique=False)
    # Until now every tag that was offered counted as ours, also one that an editor had put on before.
    op.execute("UPDATE provenance SET tags = '[]' WHERE field = 'tags'")
