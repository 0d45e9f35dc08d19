"""pytest-llmbench: the server's own numbers, with a verdict that can gate a merge."""
