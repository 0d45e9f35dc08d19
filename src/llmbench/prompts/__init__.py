"""Prompts: sources → tokens → buckets by length → CSV files that a run takes from."""

from llmbench.prompts.library import Library
from llmbench.prompts.sources import Source, parse_source
from llmbench.prompts.stock import DECK_LENGTHS, build, ensure

__all__ = ["DECK_LENGTHS", "Library", "Source", "build", "ensure", "parse_source"]
