"""Sorts passages into buckets: counts all prompts in them and keeps those of a wanted length."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.prompts.buckets import HEAD_CHARACTERS, Bucket
from llmbench.prompts.corpus.passages import Passage
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.records import Prompt

if TYPE_CHECKING:
    from tokenizers import Encoding

_SLACK_TOKENS = 8  # at most: a prefix encoded alone against its place in the whole text
_CHARACTERS_PER_TOKEN = 8  # twice the usual 4: so much of a text is encoded at first


class Wanted(Struct, frozen=True):
    """What is to be built: `per_length` prompts for each of `lengths` (tokens), ±`tolerance`.

    With `trim`, prompts that are missing are cut from longer ones.
    """

    lengths: tuple[int, ...]
    per_length: int = 1000
    tolerance: int = 10
    seed: int = 0
    trim: bool = False

    @property
    def longest(self) -> int:
        """The most tokens that a prompt may have."""
        return max(self.lengths) + self.tolerance


class Sorter:
    """Sorts passages into one bucket for each wanted length."""

    def __init__(self, tokenizer: Tokenizer, wanted: Wanted) -> None:
        self.prompts_seen = 0
        self.duplicates = 0
        self._tokenizer = tokenizer
        self._wanted = wanted
        self._seen: set[int] = set()
        self._whole = {n: Bucket(wanted.per_length, wanted.seed) for n in wanted.lengths}
        self._longer = {n: Bucket(2 * wanted.per_length, wanted.seed) for n in wanted.lengths}

    def full(self, trimmed: bool) -> bool:
        """Whether every bucket has as many prompts as wanted; `trimmed` prompts count if True.

        Of the trimmed ones three in four are counted, as some turn out to have another length.
        """
        return all(
            bucket.full
            or (
                trimmed
                and len(bucket) + len(self._longer[length]) * 3 // 4 >= self._wanted.per_length
            )
            for length, bucket in self._whole.items()
        )

    def add(self, passages: Sequence[Passage]) -> None:
        """Count all prompts of `passages` and sort them."""
        fresh = [passage for passage in passages if self._is_new(passage)]
        if self._wanted.trim:
            plain: list[Passage] = []
            branched = fresh
        else:
            plain = [passage for passage in fresh if len(passage.cuts) == 1]
            branched = [passage for passage in fresh if len(passage.cuts) > 1]
        self._keep(self._heads(plain))
        self._keep(self._starts(branched))

    def take(self, length: int) -> tuple[tuple[Prompt, ...], int]:
        """The prompts of a length, and how many of them (the last ones) were trimmed to it."""
        whole = self._whole[length].prompts()
        missing = self._wanted.per_length - len(whole)
        if not (self._wanted.trim and missing):
            return whole, 0
        heads = {prompt.text[:HEAD_CHARACTERS] for prompt in whole}
        spare = [p for p in self._longer[length].prompts() if p.text[:HEAD_CHARACTERS] not in heads]
        counts = self._tokenizer.lengths([prompt.text for prompt in spare])
        trimmed = [
            Prompt(prompt.text, count)
            for prompt, count in zip(spare, counts, strict=True)
            if abs(count - length) <= self._wanted.tolerance
        ][:missing]
        return (*whole, *trimmed), len(trimmed)

    def _is_new(self, passage: Passage) -> bool:
        key = hash(passage.text)
        if key in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(key)
        self.prompts_seen += len(passage.cuts)
        return True

    def _keep(self, texts: Sequence[str]) -> None:
        """Offer each text to the buckets whose length is within the tolerance of its own."""
        for text, count in zip(texts, self._tokenizer.lengths(texts), strict=True):
            for length in self._lengths_near(count, self._wanted.tolerance):
                self._whole[length].offer(Prompt(text, count))

    def _heads(self, passages: Sequence[Passage]) -> list[str]:
        """The prompts that may be short enough; a very long one is judged by its head."""
        reach = self._wanted.longest * _CHARACTERS_PER_TOKEN
        texts = [passage.text[: passage.cuts[0]] for passage in passages]
        long = [text for text in texts if len(text) > reach]
        counts = self._tokenizer.lengths([text[:reach] for text in long])
        limit = self._wanted.longest + _SLACK_TOKENS
        dense = [text for text, count in zip(long, counts, strict=True) if count <= limit]
        return [text for text in texts if len(text) <= reach] + dense

    def _starts(self, passages: Sequence[Passage]) -> list[str]:
        """The prompts of about a wanted length, found with a single encoding of each passage."""
        starts: list[str] = []
        for passage, encoding in zip(passages, self._encodings(passages), strict=True):
            used = set()
            ends = [end for _, end in encoding.offsets]
            for cut in passage.cuts:
                count = bisect_right(ends, cut)
                near = self._lengths_near(count, self._wanted.tolerance + _SLACK_TOKENS)
                if near:
                    used.update(near)
                    starts.append(passage.text[:cut])
                elif count > self._wanted.longest:
                    break
            if self._wanted.trim:
                self._offer_trimmed(passage.text, ends, used)
        return starts

    def _encodings(self, passages: Sequence[Passage]) -> Iterator[Encoding]:
        """One encoding for each passage, of as much of it as can matter."""
        reach = self._wanted.longest * _CHARACTERS_PER_TOKEN
        limit = self._wanted.longest + _SLACK_TOKENS
        texts = [p.text if self._wanted.trim else p.text[: p.cuts[-1]] for p in passages]
        first = self._tokenizer.encodings([text[:reach] for text in texts])
        for text, encoding in zip(texts, first, strict=True):
            if len(text) > reach and len(encoding) <= limit:
                yield self._tokenizer.encodings([text])[0]
            else:
                yield encoding

    def _offer_trimmed(self, text: str, ends: Sequence[int], used: set[int]) -> None:
        """Offer the start of a longer text to each bucket that has no prompt of that text.

        `ends` are the positions in `text` at which its tokens end.
        """
        for length, bucket in self._longer.items():
            if length not in used and len(ends) > length + self._wanted.tolerance:
                bucket.offer(Prompt(text[: ends[length - 1]], length))

    def _lengths_near(self, count: int, distance: int) -> list[int]:
        return [length for length in self._wanted.lengths if abs(count - length) <= distance]
