"""Real parts together: ledgers, broker, sockets, decoder processes, models. The folders are those of the product."""
