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


def passage(record: Mapping[str, Any], clean: Clean) -> Passage | None:
    """The passage in a record's ``conversations`` (ShareGPT's) or ``prompt``; None if it is empty.

    A record that has neither key raises `KeyError`.
    """
    if "conversations" in record:
        return from_turns(record["conversations"], clean)
    return from_prompt(record["prompt"], clean)


def from_prompt(prompt: object, clean: Clean) -> Passage | None:
    """A whole prompt; None where it is missing, not text, or empty."""
    if not isinstance(prompt, str):
        return None
    text = clean(prompt)
    return Passage(text, (len(text),)) if text else None


def from_turns(turns: object, clean: Clean) -> Passage | None:
    """ShareGPT's list of ``{from, value}`` as one text; None where no human says anything.

    Empty turns and what stands before the first human turn (the end of an answer whose
    question is in another record) are left out; a system turn opens the text, as in vicuna.
    """
    parts: list[str] = []
    cuts: list[int] = []
    length = 0
    for speaker, text in _turns_with_text(turns, clean):
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


def _turns_with_text(turns: object, clean: Clean) -> Iterator[tuple[str, str]]:
    """The speaker and the text of every turn that has text."""
    for turn in turns if isinstance(turns, (list, tuple)) else ():
        value = turn.get("value") if isinstance(turn, Mapping) else None
        text = clean(value) if isinstance(value, str) else ""
        if text:
            yield str(turn.get("from")).lower(), text
