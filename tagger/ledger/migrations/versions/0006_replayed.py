"""When a delivery was replayed: from then on it may be parked for thirty days again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("replayed_ms", sa.BigInteger()))
