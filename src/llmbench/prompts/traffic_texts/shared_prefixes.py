"""Makes the prefixes of groups and the suffixes of requests, each of an exact number of tokens."""

from __future__ import annotations

import random

from llmbench.config import ConfigError
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.traffic import Prefixes, SharedPrefix

_TRIES = 16  # rounds of drafts, until a tokenizer is held to be unable to make that length


def prefixes_of(
    traffic: SharedPrefix, counter: Tokenizer | CountedElsewhere, seed: str
) -> Prefixes:
    """A prefix for each group, one more for the warm-up, and the suffixes.

    A prefix and a suffix have exactly `prefix_tokens` + `suffix_tokens` tokens together; checked
    for each prefix with the first suffix, and for each suffix with the first prefix.
    """
    words = counter.words()
    draw = random.Random(seed)
    prefixes = _drawn(counter, words, draw, "", traffic.prefix_tokens, traffic.groups + 1)
    first = prefixes[0] if prefixes else ""
    both = traffic.prefix_tokens + traffic.suffix_tokens
    whole = _drawn(counter, words, draw, first, both, traffic.suffixes)
    suffixes = tuple(text[len(first) :] for text in whole)
    joined = [prefix + suffixes[0] for prefix in prefixes] if suffixes else []
    exact = bool(joined) and set(counter.lengths(joined)) == {both}
    if len(prefixes) <= traffic.groups or not exact:
        raise ConfigError(
            f"traffic {traffic.name!r}: {traffic.groups} prefixes of exactly"
            f" {traffic.prefix_tokens} tokens and suffixes of {traffic.suffix_tokens} can't be"
            " made with this tokenizer; ask for other lengths"
        )
    return Prefixes(tuple(prefixes), suffixes)


def _drawn(
    counter: Tokenizer | CountedElsewhere,
    words: list[str],
    draw: random.Random,
    start: str,
    length: int,
    count: int,
) -> list[str]:
    """At most `count` different texts of exactly `length` tokens that begin with `start`."""
    made: dict[str, None] = {}
    for _ in range(_TRIES):
        if len(made) >= count:
            break
        drafts = [
            " ".join([*([start] if start else []), *draw.choices(words, k=length)])
            for _ in range(count - len(made))
        ]
        made.update(dict.fromkeys(t for t in counter.cut(drafts, length) if t.startswith(start)))
    return list(made)
