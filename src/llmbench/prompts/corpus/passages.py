"""Records of the known data sets as passages: a text and the places where a prompt may end.

A conversation of several turns holds several prompts, each the start of the next: it is kept
as one text in vicuna's form, as the deck's data set has it::

    USER: question ASSISTANT: answer USER: question ASSISTANT:

and may be cut after every ``ASSISTANT:`` that answers a human.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from llmbench.prompts.corpus.clean import Clean

HUMANS = frozenset({"human", "user"})
SYSTEMS = frozenset({"system"})


class Passage(Struct, frozen=True):
    """A text whose prefixes that end at `cuts` (rising character positions) are prompts.

    What follows the last of them (an answer) serves only to trim a longer text from.
    """

    text: str
    cuts: tuple[int, ...]


def passage(record: Mapping[str, Any], clean: Clean) -> Passage | None:
    """The passage in a record: ShareGPT's ``conversations``, or a ``prompt``. None: it has none.

    A record of neither shape raises `KeyError`.
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
    """ShareGPT's list of ``{from, value}`` as one text; None where no human says a thing.

    Empty turns and what stands before the first human turn (the end of an answer whose
    question is in another record) are left out; a system turn opens the text, as in vicuna.
    """
    parts: list[str] = []
    cuts: list[int] = []
    length = 0
    for who, said in _spoken(turns, clean):
        human = who in HUMANS
        if not human and not cuts:
            part = f"{said} " if who in SYSTEMS else ""
        elif human:
            part = f"{' ' if cuts else ''}USER: {said} ASSISTANT:"
        else:
            part = f" {said}"
        parts.append(part)
        length += len(part)
        if human:
            cuts.append(length)
    return Passage("".join(parts), tuple(cuts)) if cuts else None


def _spoken(turns: object, clean: Clean) -> list[tuple[str, str]]:
    """(who, text) of every turn that has text."""
    spoken = []
    for turn in turns if isinstance(turns, (list, tuple)) else ():
        who, value = (turn.get("from"), turn.get("value")) if isinstance(turn, Mapping) else ("", 0)
        said = clean(value) if isinstance(value, str) else ""
        if said:
            spoken.append((str(who).lower(), said))
    return spoken
