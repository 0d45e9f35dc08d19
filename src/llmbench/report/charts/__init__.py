"""The charts: each group has a module and each chart a function that draws it from a tidy table."""
