"""Which cores the server gets and which the load generator, decided in one place."""
