"""Whether a worker can check texts; and an index of the jobs that an older version completed, which have no verdict."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

WITHOUT_VERDICT = sa.text("verdict IS NULL AND status IN ('described', 'done')")


def upgrade() -> None:
    op.add_column("workers", sa.Column("checks", sa.Boolean()))
    op.create_index("jobs_without_verdict", "jobs", ["id"], sqlite_where=WITHOUT_VERDICT, postgresql_where=WITHOUT_VERDICT)
