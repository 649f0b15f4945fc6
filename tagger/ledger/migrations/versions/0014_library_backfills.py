"""Backfills of a CMS's library: what became of each asset, the pace, and messages that undo a backfill."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "backfill_items",
        sa.Column("backfill_id", sa.String(40), primary_key=True),
        sa.Column("asset_id", sa.Text(), primary_key=True),
        sa.Column("job_id", sa.String(40)),
        sa.Column("skipped", sa.String(11), nullable=False),
        sa.Column("present", sa.JSON()),
    )
    op.add_column("backfills", sa.Column("pace", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("deliveries", sa.Column("undo_id", sa.String(40)))
    undoing = sa.text("undo_id IS NOT NULL")
    op.create_index("deliveries_of_undo", "deliveries", ["undo_id", "id"], sqlite_where=undoing, postgresql_where=undoing)
