"""Makes prompts of an exact number of tokens out of words that the tokenizer has a token for."""

from __future__ import annotations

import random

from llmbench.config import ConfigError
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.records import Prompt

_TRIES = 64  # rounds of drafts, until a tokenizer is held to be unable to make that length


def synthesise(
    tokenizer: Tokenizer | CountedElsewhere, length: int, count: int, seed: int
) -> tuple[Prompt, ...]:
    """`count` different prompts of exactly `length` tokens each; the same for the same seed.

    `ConfigError` where the tokenizer has no text of that length, or too few.
    """
    words = tokenizer.words()
    draw = random.Random(f"{seed}:{length}")
    made: dict[str, None] = {}
    for _ in range(_TRIES):
        missing = count - len(made)
        if missing == 0:
            break
        drafts = [" ".join(draw.choices(words, k=length)) for _ in range(missing)]
        made.update(dict.fromkeys(tokenizer.cut(drafts, length)))
    if not made:
        raise ConfigError(
            f"tokenizer {tokenizer.name!r}: no text of exactly {length} tokens can be made with it;"
            " name a prompt source"
        )
    return tuple(Prompt(text, length) for text in made)
