"""The tags that are a person's matter: which they typed themselves, or took off."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("provenance", sa.Column("not_ours", sa.JSON(), nullable=False, server_default="[]"))
