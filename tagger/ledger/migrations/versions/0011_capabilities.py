"""What a site's CMS said that it can do, and when it was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("sites", sa.Column("capabilities", sa.JSON()))
    op.add_column("sites", sa.Column("probed_ms", sa.BigInteger()))
