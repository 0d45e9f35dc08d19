"""A run against a baseline, or A against B: samples, statistics, decisions, words."""
