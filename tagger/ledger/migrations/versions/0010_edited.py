"""When a person last changed a field that tagger knows of: from then on it is the editor's. And what a delivery replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("provenance", sa.Column("edited_ms", sa.BigInteger()))
    op.add_column("delivery_bodies", sa.Column("previous", sa.JSON()))
