"""Fits a twin to a run: what was observed, costs, limits, and how far they can be believed."""
