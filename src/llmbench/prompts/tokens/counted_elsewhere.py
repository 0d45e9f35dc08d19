"""A tokenizer that runs elsewhere and only counts: prompts for it are made of common words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property

Count = Callable[[Sequence[str]], list[int]]
"""Gives the number of tokens of each text."""

_WORDS = """
the and for are but not you all any can had her was one our out day get has him his how man new
now old see two way who boy did its let put say she too use that with have this will your from
they know want been good much some time very when come here just like long make many more only
over such take than them well were what year also back call came each even find give hand high
keep last left life live look most move must name need next open part play right said same seem
show side tell turn under until water where which while world would write about after again could
every first found great house large learn never other place plant point small sound spell still
study their there these thing think three light night story paper music river mother father people
letter answer number change family school city tree car sea eye run far try own ask air men end
land hard near body door book wind rock fire rain snow gold road farm south north black white
green short early
"""

COMMON_WORDS = tuple(_WORDS.split())
"""English words so common that most vocabularies have a token for each, with a space before."""

_REPEATED = 8
_CUTS = 4


class CountedElsewhere:
    """Counts with `count`, which may take a call over the network for each text.

    `name` stands for it in configurations and manifests. `slack` is for a count that is an
    estimate: one that is no further from a length passes for it.
    """

    def __init__(self, name: str, count: Count, slack: int = 0) -> None:
        self.name, self._count, self._slack = name, count, slack

    @cached_property
    def sha256(self) -> str:
        """A hash of how it counts a sample of texts, as its definition can't be read."""
        counts = self.lengths([f"{word.title()}, {word}!" for word in COMMON_WORDS])
        return hashlib.sha256(f"{self.name}:{counts}".encode()).hexdigest()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        return self._count(texts)

    def words(self) -> list[str]:
        """The common words that are a token each, or all of them where few are."""
        repeated = [" ".join([word] * _REPEATED) for word in COMMON_WORDS]
        counts = self.lengths(repeated)
        single = [w for w, n in zip(COMMON_WORDS, counts, strict=True) if n == _REPEATED]
        return single if len(single) >= len(COMMON_WORDS) // 4 else list(COMMON_WORDS)

    def cut(self, drafts: Sequence[str], length: int) -> list[str]:
        """The drafts, cut to `length` tokens by taking words off; others are dropped."""
        exact, texts = list[str](), list(drafts)
        for _ in range(_CUTS):
            counted = list(zip(texts, self.lengths(texts), strict=True))
            exact += [text for text, count in counted if abs(count - length) <= self._slack]
            longer = ((text, count) for text, count in counted if count > length + self._slack)
            texts = [_shortened(text, count, length) for text, count in longer]
            if not texts:
                break
        return exact


def _shortened(text: str, count: int, length: int) -> str:
    """`text`, which has `count` tokens, with about as many words as `length` tokens need."""
    words = text.split()
    return " ".join(words[: max(1, min(len(words) - 1, round(len(words) * length / count)))])
