"""A large archive and steady uploads through the whole product on PostgreSQL: `make load`."""
