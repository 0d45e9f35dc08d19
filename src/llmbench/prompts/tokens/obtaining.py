"""Gets a tokenizer that may or may not be had here, without waiting long for the hub."""

from __future__ import annotations

from llmbench.config import ConfigError
from llmbench.prompts.tokens.tokenizer import Tokenizer, find, load

_HUB_S = 5.0
_FILES = ("tokenizer.json", "tokenizer_config.json")


def obtainable(name: str) -> Tokenizer | None:
    """The tokenizer that `name` stands for, as `load` reads it; None where it can't be had soon."""
    try:
        if find(name) is None and not _in_reach(name):
            return None
        return load(name)
    except ConfigError:
        return None


def _in_reach(name: str) -> bool:
    """Whether a hub id is in the cache, or the hub answers in time and knows it."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    repository, _, revision = name.partition("@")
    if any(isinstance(try_to_load_from_cache(repository, file), str) for file in _FILES):
        return True
    try:
        HfApi().model_info(repository, revision=revision or None, timeout=_HUB_S)
    except Exception:  # whatever the network or the hub did, it can't be had there
        return False
    return True
