"""What search reads and writes in the ledger."""
