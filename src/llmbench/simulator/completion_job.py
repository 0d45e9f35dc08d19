"""A completion that was asked for: what, how and by whom, and what is noted at its end."""

import math
from random import Random
from typing import Protocol

from msgspec import Struct

from llmbench.config import SimulatedServer
from llmbench.simulator.asked import Asked
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import (
    Account,
    Drafts,
    Told,
    account,
    drafts_of,
    speculated,
)
from llmbench.simulator.truth import Truth


class ClientLine(Protocol):
    """A client's connection as an answer sees it."""

    gone: bool

    def send(self, data: bytes) -> None:
        """Send `data` after all that was sent before."""

    def dribble(self, pieces: list[bytes], gap_ns: int) -> None:
        """Send `pieces`, `gap_ns` after one another."""

    def close(self) -> None:
        """Close the connection when all is sent."""

    def reset(self) -> None:
        """Reset the connection now."""

    def answered(self) -> None:
        """Note that the answer is whole, so the next request may come."""


class CompletionJob(Struct, frozen=True):
    """An admitted request: what it asks, how and to whom it is answered, and when it came."""

    asked: Asked
    manner: Manner
    line: ClientLine
    truth: Truth
    received_ns: int
    seed: str
    config: SimulatedServer = SimulatedServer()

    @property
    def total(self) -> int:
        """The number of tokens that the model would generate."""
        return math.ceil(self.asked.tokens * self.manner.length)

    @property
    def until(self) -> int:
        """The number of tokens that are sent."""
        stop = self.manner.stop_after
        return self.total if stop is None else int(self.total * stop)

    @property
    def kv_tokens(self) -> int:
        """The tokens for which the KV cache keeps room while the request runs."""
        return self.asked.prompt_tokens + self.asked.tokens

    def steps(self) -> list[int]:
        """How many tokens leave together, step by step; empty where none are drafted."""
        drafted = self.config.draft_tokens
        if not drafted:
            return []
        random = Random(f"{self.seed}/drafts")
        return speculated(self.until, drafted, self.config.draft_acceptance, random)

    def accounted(self, started_ns: int, first_ns: int, last_ns: int, steps: list[int]) -> Account:
        """Where the time went, also as a part of the truth."""
        drafts = drafts_of(steps, self.config.draft_tokens) if steps else Drafts()
        true = account(self.received_ns, started_ns, first_ns, last_ns, drafts)
        self.truth.accounted(true)
        return true

    def told(self, true: Account) -> Told:
        """The account that goes into the answer, by the clock that the server has."""
        return true.scaled(self.manner.clock_rate) if self.config.tells_times else None

    def ended(self, outcome: str, tokens: int) -> None:
        """Write the request into the truth."""
        self.truth.finished(outcome, self.asked.prompt_tokens, tokens)
