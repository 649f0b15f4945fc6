"""What a message tells beside the fields, so that a CMS hears of every end; the verdict of a job, so that it can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

FOR_REVIEW = sa.text("verdict = 'review'")


def upgrade() -> None:
    op.add_column("delivery_bodies", sa.Column("type", sa.String(32), nullable=False, server_default="asset.described"))
    op.add_column("delivery_bodies", sa.Column("notice", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("jobs", sa.Column("verdict", sa.String(8)))
    op.execute(fill())
    op.create_index("jobs_for_review", "jobs", ["id"], sqlite_where=FOR_REVIEW, postgresql_where=FOR_REVIEW)


def fill() -> sa.Update:
    """The verdicts of the jobs that are there."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("verdict"))
    results = sa.table("job_results", sa.column("job_id"), sa.column("verdict", sa.JSON))
    action = sa.select(results.c.verdict["action"].as_string()).where(results.c.job_id == jobs.c.id)
    return sa.update(jobs).values(verdict=action.scalar_subquery())
