"""Charts of what happened from the run's first second to its last, and of where time went."""
