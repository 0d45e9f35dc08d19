"""Holds the prompt libraries of a session: one for each tokenizer, built when first wanted."""

from collections.abc import Callable, Sequence
from pathlib import Path

from llmbench.prompts import Library, ensure, parse_source

PROMPT_SEED = 1
"""The seed with which prompts are chosen from their source; ``llmbench prompts`` has the same."""


class Shelf:
    """Prompt libraries under `folder`, made from `source` with a seed of their own.

    That seed is fixed: a run's seed decides which prompts are sent when, and files that stay the
    same keep runs comparable.

    `source` is a hub dataset, a file or ``package:NAME``; ``None`` takes what can be had.
    """

    def __init__(self, folder: Path, source: str | None, say: Callable[[str], None]) -> None:
        self._folder, self._source, self._say = folder, source, say
        self.libraries: dict[str, Library] = {}

    def library(self, tokenizer: str, lengths: Sequence[int]) -> Library:
        """Prompts of at least these `lengths` in tokens of `tokenizer`."""
        known = self.libraries.get(tokenizer)
        if known is None or not set(lengths) <= set(known.lengths):
            self.libraries[tokenizer] = ensure(
                self._folder,
                tokenizer,
                sorted({*lengths, *(known.lengths if known else ())}),
                source=None if self._source is None else parse_source(self._source),
                seed=PROMPT_SEED,
                say=self._say,
            )
        return self.libraries[tokenizer]
