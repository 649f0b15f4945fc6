"""Which jobs were erased with their asset, for a while; indexes by which retention finds what is old."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "erased_jobs",
        sa.Column("identity", sa.LargeBinary(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("identity"),
    )
    op.create_index(op.f("ix_erased_jobs_at_ms"), "erased_jobs", ["at_ms"], unique=False)
    op.create_index(op.f("ix_workers_ended_ms"), "workers", ["ended_ms"], unique=False)
    op.create_index(op.f("ix_idempotency_at_ms"), "idempotency", ["at_ms"], unique=False)
