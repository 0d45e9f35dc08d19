"""The answers that the simulator writes in each dialect, as the real servers do."""
