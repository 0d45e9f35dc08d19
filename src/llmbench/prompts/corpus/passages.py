"""Turns records of the known data sets into passages: texts with the places where a prompt ends.

A conversation of several turns holds several prompts, each the start of the next: it is kept
as one text in vicuna's form, which the data set of the EchoSwift deck uses::

    USER: question ASSISTANT: answer USER: question ASSISTANT:

and may be cut after every ``ASSISTANT:`` that answers a human.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from llmbench.prompts.corpus.clean import Clean

HUMANS = frozenset({"human", "user"})
SYSTEMS = frozenset({"system"})


class Passage(Struct, frozen=True):
    """A text, each of whose prefixes up to one of `cuts` (rising character positions) is a prompt.

    What follows the last cut (an answer) is used only when a prompt is trimmed from a longer text.
    """

    text: str
    cuts: tuple[int, ...]


CONVERSATIONS = ("conversations", "messages", "conversation")
COLUMNS = ("prompt", *CONVERSATIONS)
"""The members of a record in which a prompt is looked for."""


def passage(record: Mapping[str, Any], clean: Clean) -> Passage | None:
    """The passage in a record's conversation or ``prompt``; None if it is empty.

    A conversation is a list of turns, each ``{from, value}`` (ShareGPT's) or ``{role, content}``
    (OpenAI's). A record that has no key of `COLUMNS` raises `KeyError`.
    """
    for name in CONVERSATIONS:
        if name in record:
            return from_turns(record[name], clean)
    prompt = record["prompt"]
    if isinstance(prompt, list | tuple) and any(_speaker(turn) for turn in prompt):
        return from_turns(prompt, clean)
    return from_prompt(prompt, clean)


def from_prompt(prompt: object, clean: Clean) -> Passage | None:
    """A whole prompt, be it a text or a list of parts; None where it has no text."""
    text = clean(_text(prompt))
    return Passage(text, (len(text),)) if text else None


def from_turns(turns: object, clean: Clean) -> Passage | None:
    """A list of turns as one text; None where no human says anything.

    Empty turns and what stands before the first human turn (the end of an answer whose
    question is in another record) are left out; a system turn opens the text, as in vicuna.
    """
    parts: list[str] = []
    cuts: list[int] = []
    length = 0
    for speaker, text in turns_with_text(turns, clean):
        human = speaker in HUMANS
        if not human and not cuts:
            part = f"{text} " if speaker in SYSTEMS else ""
        elif human:
            part = f"{' ' if cuts else ''}USER: {text} ASSISTANT:"
        else:
            part = f" {text}"
        parts.append(part)
        length += len(part)
        if human:
            cuts.append(length)
    return Passage("".join(parts), tuple(cuts)) if cuts else None


def turns_with_text(turns: object, clean: Clean) -> Iterator[tuple[str, str]]:
    """The speaker and the text of every turn that has text."""
    for turn in turns if isinstance(turns, (list, tuple)) else ():
        speaker = _speaker(turn)
        text = clean(_text(turn.get("value", turn.get("content")))) if speaker else ""
        if text:
            yield speaker, text


def _speaker(turn: object) -> str:
    """Who speaks in a turn, in lower case; empty for what is not a turn."""
    return str(turn.get("from", turn.get("role", ""))).lower() if isinstance(turn, Mapping) else ""


def _text(content: object) -> str:
    """A text, or the texts of a list of parts (``{"type": "text", "text": …}``), joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return _text(content.get("text"))
    return "".join(map(_text, content)) if isinstance(content, list | tuple) else ""
