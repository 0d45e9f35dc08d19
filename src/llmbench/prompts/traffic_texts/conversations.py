"""Makes conversations up, or takes them out of a source such as ShareGPT."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from llmbench.config import ConfigError
from llmbench.prompts.corpus.clean import Clean, cleaner
from llmbench.prompts.corpus.passages import CONVERSATIONS, HUMANS, SYSTEMS, turns_with_text
from llmbench.prompts.corpus.source_records import RecordReader
from llmbench.prompts.corpus.sources import SYNTHETIC, Source, at_hand, parse_source
from llmbench.prompts.prompt_files import Say
from llmbench.prompts.synthesis import synthesise
from llmbench.prompts.tokens.counted_elsewhere import CountedElsewhere
from llmbench.prompts.tokens.tokenizer import Tokenizer
from llmbench.traffic import Conversations, Script, Scripts

ANY = "any"
"""The source of a traffic that takes real conversations where there are any."""

_READ_FOR_EACH = 10  # records of a source that are looked at for each conversation that is wanted
_SYSTEM_SEED = 1


def scripts_of(
    traffic: Conversations, counter: Tokenizer | CountedElsewhere, seed: int, say: Say
) -> Scripts:
    """The conversations of `traffic`; which ones of a source, is drawn from the seed."""
    source = at_hand() if traffic.source == ANY else parse_source(traffic.source)
    made_up = source.kind == "synthetic" or not isinstance(counter, Tokenizer)
    if made_up and traffic.source not in (ANY, SYNTHETIC):
        raise ConfigError(
            f"traffic {traffic.name!r}: the texts of {source} need a tokenizer on this host; name"
            " one with --llm-tokenizer, or use source = 'synthetic'"
        )
    if isinstance(counter, Tokenizer) and not made_up:
        scripts = _taken(traffic, source, counter, seed, say)
    else:
        scripts = _made_up(traffic, counter, seed)
    system, system_tokens = _system(traffic, counter)
    return Scripts(scripts, system, system_tokens, traffic.context_tokens, made_up)


def _system(traffic: Conversations, counter: Tokenizer | CountedElsewhere) -> tuple[str, int]:
    """The system prompt and its length."""
    if traffic.system_tokens:
        (prompt,) = synthesise(counter, traffic.system_tokens, 1, _SYSTEM_SEED)
        return prompt.text, prompt.tokens
    return traffic.system, counter.lengths([traffic.system])[0] if traffic.system else 0


def _made_up(
    traffic: Conversations, counter: Tokenizer | CountedElsewhere, seed: int
) -> tuple[Script, ...]:
    """Conversations whose messages have the lengths that `traffic` gives for each turn."""
    lengths = traffic.user_tokens + traffic.user_tokens[-1:] * traffic.turns
    turns = [
        synthesise(counter, length, traffic.conversations, seed + number)
        for number, length in enumerate(lengths[: traffic.turns])
    ]
    count = min(map(len, turns))
    return tuple(
        Script(tuple(t[k].text for t in turns), tuple(t[k].tokens for t in turns))
        for k in range(count)
    )


def _taken(
    traffic: Conversations, source: Source, counter: Tokenizer, seed: int, say: Say
) -> tuple[Script, ...]:
    """Conversations of the source: of those read, the ones that the seed ranks first."""
    reader = RecordReader(source)
    clean = cleaner(counter.specials)
    found: dict[str, Script] = {}
    for number, record in enumerate(reader, start=1):
        if number > _READ_FOR_EACH * traffic.conversations and len(found) >= traffic.conversations:
            break
        script = _script(traffic, record, f"{source}: record {number}", counter, clean)
        if script is not None:
            found.setdefault(script.messages[0], script)
    if reader.dropped:
        say(reader.dropped)
    if not found:
        raise ConfigError(
            f"traffic {traffic.name!r}: {source} holds no conversation whose first"
            f" {traffic.fewest_turns} messages of the user have at most"
            f" {traffic.most_user_tokens} tokens each; raise most_user_tokens, or name another"
            " source"
        )
    ranked = sorted(found, key=lambda text: hashlib.blake2b(f"{seed}:{text}".encode()).digest())
    return tuple(found[text] for text in ranked[: traffic.conversations])


def _script(
    traffic: Conversations,
    record: Mapping[str, Any],
    where: str,
    counter: Tokenizer,
    clean: Clean,
) -> Script | None:
    """The conversation of a record as far as it is of use; None where nothing is.

    A file of the user's own (JSONL with ``messages``) has to be right; data sets of the world hold
    broken conversations, which end where they break.
    """
    name = next((name for name in CONVERSATIONS if name in record), None)
    if name is None:
        raise ConfigError(
            f"{where}: it has no conversation (none of {', '.join(CONVERSATIONS)}); its members"
            f" are {', '.join(map(str, record)) or 'none'}"
        )
    strict = name == "messages"
    messages, answers = list[str](), list[str]()
    for speaker, text in turns_with_text(record[name], clean):
        if speaker in SYSTEMS and not messages:
            continue
        is_user, wants_user = speaker in HUMANS, len(messages) == len(answers)
        if is_user != wants_user:
            if strict:
                raise ConfigError(
                    f"{where}: message {len(messages) + len(answers) + 1} is of {speaker!r}, but"
                    f" it is the turn of the {'user' if wants_user else 'assistant'}; user and"
                    " assistant have to alternate"
                )
            break
        (messages if is_user else answers).append(text)
    if strict and not answers:
        raise ConfigError(
            f"{where}: a conversation without an assistant's turn; leave it out, or send it with"
            " kind = 'requests'"
        )
    return _of_use(traffic, messages[: traffic.turns], answers[: traffic.turns], counter)


def _of_use(
    traffic: Conversations, messages: list[str], answers: list[str], counter: Tokenizer
) -> Script | None:
    """The conversation up to its first message that is too long; it needs the answers between."""
    if traffic.answers == "recorded":
        messages = messages[: len(answers) + 1]
    if not messages:
        return None
    tokens = counter.lengths(messages)
    turns = next(
        (n for n, count in enumerate(tokens) if count > traffic.most_user_tokens), len(tokens)
    )
    if turns < traffic.fewest_turns:
        return None
    return Script(tuple(messages[:turns]), tuple(tokens[:turns]), tuple(answers[:turns]))
