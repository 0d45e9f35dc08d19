"""Reads the servers' own gauges while a cell runs, in the words of each engine."""
