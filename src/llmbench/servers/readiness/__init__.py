"""Asks a server, outside the timed window, whether it is up, can generate, and what it counts."""
