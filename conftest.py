"""Wiring only: what this suite holds fixed, and what it draws."""

pytest_plugins = ("fixtures.models", "reports.views", "pytester")
