"""Which sweep of a site runs, until when it is taken for alive, and how far it has come."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("sites", sa.Column("sweep_token", sa.String(40)))
    op.add_column("sites", sa.Column("sweep_lease_ms", sa.BigInteger()))
    op.add_column("sites", sa.Column("sweep_state", sa.JSON()))
