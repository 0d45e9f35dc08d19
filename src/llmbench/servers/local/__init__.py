"""Servers that run as our own child processes: embedded engines, commands and the simulator."""
