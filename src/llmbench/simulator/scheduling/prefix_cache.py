"""The prefix cache of the simulated engine: blocks of tokens, of which the least used give way.

A block is known by a key that stands for all tokens up to its end, as in vLLM. Whoever drives the
cache has the clock.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from llmbench.simulator.texts.rendered import Token
from llmbench.value_types import PrefixCacheSize


class PrefixCache:
    """Holds the keys and values of up to `size_tokens` tokens, in whole blocks."""

    def __init__(self, size_tokens: int, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self._most = size_tokens // block_tokens
        self._ready_ns: dict[int, int] = {}  # by key, the least recently used first

    def __len__(self) -> int:
        """The number of blocks that it holds."""
        return len(self._ready_ns)

    def take(self, keys: tuple[int, ...], prompt_tokens: int, now_ns: int) -> int:
        """The tokens at the beginning of a prompt that needn't be computed at `now_ns`.

        The last token of a prompt is always computed, as the first of the answer comes from it.
        """
        found = 0
        for key in islice(keys, (prompt_tokens - 1) // self.block_tokens):
            if self._ready_ns.get(key, now_ns + 1) > now_ns:
                break
            found += 1
        self._use((key, self._ready_ns[key]) for key in reversed(keys[:found]))
        return found * self.block_tokens

    def keep(self, keys: tuple[int, ...], ready_ns: int, tokens: int | None = None) -> None:
        """Hold the blocks of the first `tokens` tokens (None: of all), computed at `ready_ns`."""
        kept = keys if tokens is None else keys[: tokens // self.block_tokens]
        never = ready_ns + 1
        self._use((key, min(ready_ns, self._ready_ns.get(key, never))) for key in reversed(kept))
        for key in list(islice(self._ready_ns, max(0, len(self) - self._most))):
            del self._ready_ns[key]

    def _use(self, blocks: Iterable[tuple[int, int]]) -> None:
        """Make blocks the most recently used: the last first, as it is of no use alone."""
        for key, ready_ns in blocks:
            self._ready_ns.pop(key, None)
            self._ready_ns[key] = ready_ns


def prefix_cache(size: PrefixCacheSize | None) -> PrefixCache | None:
    """The cache of a configured size, if there is one."""
    return None if size is None else PrefixCache(size.tokens, size.block_tokens)


def block_keys(tokens: Sequence[Token], block_tokens: int, salt: str = "") -> tuple[int, ...]:
    """The keys of all whole blocks; prompts of different `salt` have none in common."""
    keys, key = [], hash(salt)
    for at in range(0, len(tokens) - block_tokens + 1, block_tokens):
        key = hash((key, *tokens[at : at + block_tokens]))
        keys.append(key)
    return tuple(keys)
