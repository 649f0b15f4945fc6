"""When the library of a site was last swept."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("sites", sa.Column("swept_ms", sa.BigInteger()))
