"""Makes prompts of an exact number of tokens out of words from the tokenizer's own vocabulary."""

from __future__ import annotations

import random
import re

from llmbench.config import ConfigError
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.records import Prompt

_TRIES = 64  # rounds of drafts, until a tokenizer is held to be unable to make that length
_FEWEST_WORDS = 64  # of 64 words even a thousand prompts of two tokens can all differ


def synthesise(tokenizer: Tokenizer, length: int, count: int, seed: int) -> tuple[Prompt, ...]:
    """`count` different prompts of exactly `length` tokens each; the same for the same seed.

    `ConfigError` where the tokenizer has no text of that length, or too few.
    """
    words = _words(tokenizer)
    draw = random.Random(f"{seed}:{length}")
    made: dict[str, None] = {}
    for _ in range(_TRIES):
        missing = count - len(made)
        if missing == 0:
            break
        drafts = [_draft(words, length, draw) for _ in range(missing)]
        made.update(dict.fromkeys(_exact(tokenizer, drafts, length)))
    if not made:
        raise ConfigError(
            f"tokenizer {tokenizer.name!r}: no text of exactly {length} tokens can be made with it;"
            " name a prompt source"
        )
    return tuple(Prompt(text, length) for text in made)


def _words(tokenizer: Tokenizer) -> list[str]:
    """Words that are one token each after a space; single letters where there are too few."""
    vocabulary = tokenizer.fast.get_vocab()
    plain = sorted({piece.lstrip("Ġ▁ ") for piece in vocabulary if piece[:1] in "Ġ▁ "})
    words = [word for word in plain if re.fullmatch(r"[a-z]{3,12}", word)]
    single = [
        word
        for word, count in zip(words, tokenizer.lengths([f"a {w}" for w in words]), strict=True)
        if count == tokenizer.lengths(["a"])[0] + 1
    ]
    return single if len(single) >= _FEWEST_WORDS else list("abcdefghijklmnopqrstuvwxyz")


def _draft(words: list[str], length: int, draw: random.Random) -> str:
    return " ".join(draw.choices(words, k=length))


def _exact(tokenizer: Tokenizer, drafts: list[str], length: int) -> list[str]:
    """The drafts, cut to exactly `length` tokens; those that a new encoding refutes are dropped."""
    cut = []
    for text, encoding in zip(drafts, tokenizer.encodings(drafts), strict=True):
        place = encoding.token_to_chars(length - 1) if len(encoding) >= length else None
        if place is not None:
            cut.append(text[: place[1]])
    counts = tokenizer.lengths(cut)
    return [text for text, count in zip(cut, counts, strict=True) if count == length]
