"""Conversations under way: what was said, and how long a user thinks before the next turn."""

from __future__ import annotations

import hashlib
from math import exp, log
from statistics import NormalDist
from typing import TYPE_CHECKING, Protocol

from llmbench.records import RequestRecord
from llmbench.traffic import Script, Think

if TYPE_CHECKING:
    from llmbench.load.plan.planned_request import PlannedRequest

TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add to a conversation, besides those that a server tells."""


class Speaker(Protocol):
    """Knows what is said next in a conversation."""

    def answered(self, talk: Talk, record: RequestRecord, answer: str) -> RequestRecord:
        """Take the conversation on to its next turn, or end it; the record says why it ended."""

    def next_turn(self, talk: Talk, *, user: int, request: int) -> PlannedRequest:
        """The next request of a conversation that has been taken on."""


class Talk:
    """A conversation under way, with all that is needed for its next turn, and nothing else."""

    __slots__ = (
        "context_tokens",
        "end",
        "messages",
        "ordinal",
        "prompt",
        "script",
        "speaker",
        "turn",
        "turns",
    )

    def __init__(
        self,
        speaker: Speaker,
        ordinal: int,
        prompt: int,
        script: Script,
        system: str,
        turns: int,
    ) -> None:
        self.speaker = speaker
        self.ordinal, self.prompt, self.script, self.turns = ordinal, prompt, script, turns
        self.turn = 1  # that is said next, or was said last
        self.messages = [("system", system)] if system else []
        self.messages.append(("user", script.messages[0]))
        self.context_tokens: int | None = None  # of all that was said, as the server told
        self.end: str | None = None  # why there is no further turn

    def go_on(self, answer: str) -> None:
        """Say the next turn after `answer`."""
        self.turn += 1
        self.messages += [("assistant", answer), ("user", self.script.messages[self.turn - 1])]


def uniform(*what: object) -> float:
    """A number in (0, 1) drawn for `what` alone, the same on every host."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64


def think_ns(think: Think, *what: object) -> int:
    """How long a user thinks, drawn for `what` alone."""
    mean_s = think.mean_s
    if think.distribution == "fixed" or not mean_s:
        return round(mean_s * 1e9)
    at = uniform(*what)
    if think.distribution == "exponential":
        return round(-mean_s * log(at) * 1e9)
    middle = log(mean_s) - think.sigma**2 / 2  # so that `mean_s` is the mean
    return round(exp(middle + think.sigma * NormalDist().inv_cdf(at)) * 1e9)
