"""Chooses what counts the prompts for a server whose tokenizer nobody has named."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from llmbench.config import ConfigError, ModelConfig, RemoteServer
from llmbench.prompts import CountedElsewhere, Tokenizer, obtainable
from llmbench.servers import Engine, ServerCounts, is_here

Counts = Sequence[int | None]


class Choice(Struct, frozen=True):
    """A tokenizer's name, what counts in its place if it is elsewhere, and how that is said."""

    name: str
    counter: CountedElsewhere | None
    how: str


def chosen_tokenizer(
    engine: Engine, model: ModelConfig, texts: Sequence[str], counts: Counts
) -> Choice:
    """What counts as the server does: the model's own tokenizer if it can be had here, else the
    server's ``/tokenize``, else the server's usage counts.

    `counts` are the server's own counts of two `texts`, a short one and a long one, which the
    choice must agree with; whatever a chat template adds to both is left out by their difference.
    """
    assert isinstance(model.server, RemoteServer)
    for name in _candidates(engine.tokenizers, model.server.url):
        if _agrees(obtainable(name), texts, counts):
            return Choice(name, None, f"counted by {_short(name)}")
    if engine.tokenize is not None:
        ask = ServerCounts(model.server.url, model.client, model.model, engine.tokenize)
        counter = CountedElsewhere("server:tokenize", ask)
        if _agrees(counter, texts, counts):
            return Choice(counter.name, counter, "synthetic, counted by the server's tokenizer")
    return _by_usage(texts, counts)


def _candidates(names: Sequence[str], url: str) -> Iterator[str]:
    """Those of the names that may be had here: files of this host, and hub ids."""
    for name in names:
        if Path(name).is_absolute():
            if is_here(url) and Path(name).exists():
                yield name
        elif re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            yield name


def _short(name: str) -> str:
    """A file's name with its folder's, or a hub id as it is."""
    return "/".join(Path(name).parts[-2:])


def _agrees(
    counter: Tokenizer | CountedElsewhere | None, texts: Sequence[str], counts: Counts
) -> bool:
    """Whether `counter` can count, and finds the same difference between the texts' lengths."""
    if counter is None:
        return False
    try:
        short, long = counter.lengths(texts)
    except ConfigError:
        return False
    if None in counts:
        return True
    return long - short == (counts[1] or 0) - (counts[0] or 0)


def _by_usage(texts: Sequence[str], counts: Counts) -> Choice:
    """Counts words, at as many tokens as the server's usage showed for each."""
    short, long = (len(text.split()) for text in texts)
    if None in counts:
        each, how = 1.0, "synthetic, a word taken for a token as the server counts none"
    else:
        each = ((counts[1] or 0) - (counts[0] or 0)) / (long - short)
        how = f"synthetic, {each:.2f} tokens a word by the server's usage"
    per_word = max(each, 0.1)
    counter = CountedElsewhere(
        "server:usage",
        lambda texts: [round(per_word * len(text.split())) for text in texts],
        slack=math.ceil(per_word / 2),
    )
    return Choice(counter.name, counter, how)
