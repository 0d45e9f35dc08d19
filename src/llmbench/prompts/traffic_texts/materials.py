"""Makes what a cell's traffic sends."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from llmbench.config import ConfigError
from llmbench.prompts.prompt_files import Say
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.prompts.traffic_texts.conversations import scripts_of
from llmbench.prompts.traffic_texts.replayed_bodies import bodies_of
from llmbench.prompts.traffic_texts.shared_prefixes import prefixes_of
from llmbench.traffic import (
    Bodies,
    Conversations,
    Lengths,
    Material,
    Mix,
    Mixed,
    Plain,
    PlainMaterial,
    PromptsOfLength,
    Replayed,
    Scripts,
    SharedPrefix,
    Traffic,
    speaks_chat,
)

Counter = Tokenizer | CountedElsewhere


def material_of(
    traffic: Traffic,
    counter: Counter,
    *,
    seed: int,
    fresh: str,
    context_tokens: int | None,
    say: Say,
    prompts: Callable[[int], PromptsOfLength],
) -> Material:
    """What `traffic` sends, with lengths by `counter`; `ConfigError` names the file and the record.

    It is the same for the same seed. Shared prefixes are drawn anew for each `fresh`, so that a
    server knows none of them from an earlier repeat. `context_tokens` is the server's, None where
    it isn't known. `prompts` gets those of a length.
    """

    def made(part: Plain, fresh: str) -> PlainMaterial:
        if isinstance(part, Lengths):
            return prompts(part.input_tokens)
        return _plain(part, counter, seed, fresh, context_tokens, say)

    if not isinstance(traffic, Mix):
        return made(traffic, fresh)
    whole = Mixed(tuple(made(one.traffic, f"{fresh} {one.name}") for one in traffic.classes))
    _check_endpoint(traffic, whole)
    return whole


def _check_endpoint(mix: Mix, whole: Mixed) -> None:
    """Refuse completions beside chats, as all requests of a cell go to one endpoint."""
    pairs = list(zip(mix.classes, whole.parts, strict=True))
    chats = [one.name for one, part in pairs if speaks_chat(part)]
    plain = [one.name for one, part in pairs if isinstance(part, Bodies) and not part.chat]
    if chats and plain:
        raise ConfigError(
            f"traffic {mix.name!r}: class {chats[0]!r} needs a chat endpoint, and the bodies of"
            f" class {plain[0]!r} have a 'prompt' for another one; make two files of them"
        )


def _plain(
    traffic: Conversations | SharedPrefix | Replayed,
    counter: Counter,
    seed: int,
    fresh: str,
    context_tokens: int | None,
    say: Say,
) -> PlainMaterial:
    if isinstance(traffic, Conversations):
        scripts = scripts_of(traffic, counter, seed, say)
        return _fitting(traffic, scripts, traffic.context_tokens or context_tokens)
    if isinstance(traffic, Replayed):
        return bodies_of(traffic)
    longest = traffic.prefix_tokens + traffic.suffix_tokens + traffic.output_tokens
    if context_tokens is not None and longest > context_tokens:
        raise ConfigError(
            f"traffic {traffic.name!r}: a prefix of {traffic.prefix_tokens} tokens, a suffix of"
            f" {traffic.suffix_tokens} and an output of {traffic.output_tokens} don't fit the"
            f" server's context of {context_tokens} tokens; ask for fewer, or raise the server's"
            " context_tokens"
        )
    return prefixes_of(traffic, counter, f"{seed}:{fresh}")


def _fitting(traffic: Conversations, whole: Scripts, context_tokens: int | None) -> Scripts:
    """Those conversations whose first turn fits the context."""
    if context_tokens is None:
        return whole
    first = context_tokens - whole.system_tokens - traffic.output_tokens
    fitting = tuple(script for script in whole.scripts if script.tokens[0] <= first)
    if not fitting:
        raise ConfigError(
            f"traffic {traffic.name!r}: no conversation's first turn fits a context of"
            f" {context_tokens} tokens, with {whole.system_tokens} of the system prompt and"
            f" {traffic.output_tokens} of the answer; ask for fewer, or raise the server's"
            " context_tokens"
        )
    return replace(whole, scripts=fitting, context_tokens=context_tokens)
