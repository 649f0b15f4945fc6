"""What a check model said of texts and an image, beside the result of the job."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("job_results", sa.Column("checks", sa.JSON(), nullable=True))
