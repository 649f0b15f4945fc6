"""What search reads of each asset."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "described_assets",
        sa.Column("site_id", sa.String(63), primary_key=True),
        sa.Column("asset_id", sa.Text(), primary_key=True),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(16)),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("look_hash", sa.String(16)),
    )
    op.create_index("described_assets_changed", "described_assets", ["site_id", "changed_ms"])
    op.create_index("described_assets_first", "described_assets", ["site_id", "first_ms"])
    op.create_table(
        "search_terms",
        sa.Column("site_id", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("term", sa.Text(), primary_key=True),
        sa.Column("asset_id", sa.Text(), primary_key=True),
    )
    op.create_index("search_terms_of_asset", "search_terms", ["site_id", "asset_id"])
    op.create_table(
        "erased_assets",
        sa.Column("site_id", sa.String(63), primary_key=True),
        sa.Column("asset_key", sa.String(64), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_erased_assets_at_ms", "erased_assets", ["at_ms"])
