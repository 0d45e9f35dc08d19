"""Holds the prompt libraries of a session, one for each tokenizer, built when first needed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from llmbench.prompts import CountedElsewhere, Library, ensure, parse_source

PROMPT_SEED = 1
"""The seed with which prompts are chosen from their source; ``llmbench prompts`` uses it too."""


class Shelf:
    """Prompt libraries under `folder`, made from `source` with a seed of their own.

    That seed is fixed, as files that stay the same keep runs comparable. A run's own seed decides
    which of the prompts are sent when.

    `source` is a hub dataset, a file or ``package:NAME``; ``None`` takes what is available.
    `elsewhere` are the tokenizers that can't be loaded here, which count by other means.
    """

    def __init__(
        self,
        folder: Path,
        source: str | None,
        say: Callable[[str], None],
        elsewhere: Sequence[CountedElsewhere] = (),
    ) -> None:
        self._folder, self._source, self._say = folder, source, say
        self._elsewhere = {tokenizer.name: tokenizer for tokenizer in elsewhere}
        self.libraries: dict[str, Library] = {}

    def library(self, tokenizer: str, lengths: Sequence[int]) -> Library:
        """The prompts of (at least) these `lengths`, in tokens of `tokenizer`."""
        library = self.libraries.get(tokenizer)
        if library is None or not set(lengths) <= set(library.lengths):
            self.libraries[tokenizer] = ensure(
                self._folder,
                self._elsewhere.get(tokenizer, tokenizer),
                sorted({*lengths, *(library.lengths if library else ())}),
                source=None if self._source is None else parse_source(self._source),
                seed=PROMPT_SEED,
                say=self._say,
            )
        return self.libraries[tokenizer]
