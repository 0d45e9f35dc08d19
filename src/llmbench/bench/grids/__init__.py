"""Which lengths requests have: those of the first grid of a found server, and those of an API."""
