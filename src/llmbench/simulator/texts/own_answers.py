"""Knows its own answers again: in a conversation, the assistant's turns must be what it said.

An answer is a function of the messages before it: it begins with their checksum and ends with the
number of its tokens. So nothing has to be remembered, and one that lost a token is noticed.
"""

import re
import zlib

from llmbench.simulator.manner import Manner
from llmbench.simulator.texts.rendered import Message
from llmbench.simulator.texts.vocabulary import answer_from, text_of

_LENGTH = re.compile(r" (\d{1,7})\.$")
_MANNERS = tuple(Manner(reasoning=r, cut=c) for c in (False, True) for r in (False, True))


def mark_of(messages: list[Message]) -> str:
    """The word with which the answer to `messages` begins."""
    said = "\0".join(f"{message.role}\n{message.text}" for message in messages)
    return f"{zlib.crc32(said.encode()):08x}"


def foreign_turn(messages: list[Message]) -> str | None:
    """What is wrong with the history of a conversation; None where all answers are its own."""
    for place, message in enumerate(messages):
        if message.role == "assistant":
            mark = mark_of(messages[:place])
            if not _is_answer(message.text, mark):
                return (
                    f"message {place + 1} is not what this server answered to those before it: "
                    f"that begins with {mark!r} and ends with the number of its tokens; "
                    f"this is {message.text[:40]!r}"
                )
    return None


def _is_answer(text: str, mark: str) -> bool:
    found = _LENGTH.search(text)
    if found is None:
        return False
    total = int(found[1])
    return any(
        text == text_of(answer_from(total, manner), total, manner, mark, total)
        for manner in _MANNERS
    )
