"""Holds the prompt libraries of a session: one for each tokenizer, built when first wanted."""

from collections.abc import Callable, Sequence
from pathlib import Path

from llmbench.prompts import Library, ensure, parse_source


class Shelf:
    """Prompt libraries under `folder`, made from `source` with `seed`.

    `source` is a hub dataset, a file or ``package:NAME``; ``None`` takes what can be had.
    """

    def __init__(
        self, folder: Path, source: str | None, seed: int, say: Callable[[str], None]
    ) -> None:
        self._folder, self._source, self._seed, self._say = folder, source, seed, say
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
                seed=self._seed,
                say=self._say,
            )
        return self.libraries[tokenizer]
