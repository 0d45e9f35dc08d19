"""Wiring only: what this suite holds fixed, and what it draws."""

pytest_plugins = ("fixtures.models", "fixtures.prompts", "reports.views", "pytester")
