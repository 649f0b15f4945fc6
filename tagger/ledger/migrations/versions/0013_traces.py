"""The trace that a delivery continues."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("delivery_bodies", sa.Column("trace", sa.String(55)))
