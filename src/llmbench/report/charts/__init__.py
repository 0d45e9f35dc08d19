"""The charts: a module for each group, a function for each chart, each from a tidy table."""
