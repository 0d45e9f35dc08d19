"""Servers that are our own child processes: the embedded engine and the simulator."""
