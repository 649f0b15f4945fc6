"""How many answers of an endpoint in a row confirmed nothing, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("unconfirmed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("endpoints", sa.Column("unconfirmed_since_ms", sa.BigInteger(), nullable=False, server_default="0"))
