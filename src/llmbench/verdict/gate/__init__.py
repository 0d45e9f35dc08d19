"""Compares a run with a baseline, or A with B: samples, statistics, decisions, words."""
