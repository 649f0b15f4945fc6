"""Runs inside the transaction that `tagger.ledger.db.schema` opened; there is no offline mode."""

from alembic import context

from tagger.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
