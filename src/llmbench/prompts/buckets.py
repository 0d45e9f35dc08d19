"""Prompts sorted into buckets by their length in tokens.

Which prompts a bucket takes does not depend on the order in which they come: each has a key
drawn from the seed and its text, and the lowest keys win.
"""

from __future__ import annotations

import hashlib

from llmbench.records import Prompt

HEAD_CHARACTERS = 64
"""No two prompts of a bucket share their first 64 characters. At about 4 characters for a token
these are 16 tokens, the smallest block that vLLM's prefix cache shares."""


class Bucket:
    """Keeps the `wanted` prompts with the lowest keys among all that were offered."""

    def __init__(self, wanted: int, seed: int) -> None:
        self.wanted = wanted
        self._salt = f"{seed}:".encode()
        self._best: dict[str, tuple[int, Prompt]] = {}
        self._bar: int | None = None  # a key of this size or more can't win any more

    def __len__(self) -> int:
        return min(len(self._best), self.wanted)

    @property
    def full(self) -> bool:
        return len(self._best) >= self.wanted

    def offer(self, prompt: Prompt) -> None:
        """Take `prompt`, unless one with the same head or `wanted` others have lower keys."""
        key = self._key(prompt.text)
        if self._bar is not None and key >= self._bar:
            return
        head = prompt.text[:HEAD_CHARACTERS]
        if head not in self._best or key < self._best[head][0]:
            self._best[head] = (key, prompt)
        if len(self._best) >= 2 * self.wanted:
            self._prune()

    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts that were taken, in the order of their keys."""
        self._prune()
        return tuple(prompt for _, prompt in self._ranked())

    def _ranked(self) -> list[tuple[int, Prompt]]:
        return sorted(self._best.values(), key=lambda pair: pair[0])

    def _prune(self) -> None:
        best = self._ranked()[: self.wanted]
        if len(best) == self.wanted:
            self._bar = best[-1][0] + 1
        self._best = {prompt.text[:HEAD_CHARACTERS]: (key, prompt) for key, prompt in best}

    def _key(self, text: str) -> int:
        digest = hashlib.blake2b(self._salt + text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")
