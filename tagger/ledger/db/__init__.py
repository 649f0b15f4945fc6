"""How the ledger reaches its database: engines, schema, the writer thread, prepared statements."""
