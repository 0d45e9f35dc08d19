"""A completion that was asked for: what, how and by whom, and what is noted at its end."""

import math
from collections.abc import Sequence
from random import Random
from typing import Protocol

from msgspec import Struct, structs

from llmbench.config import SimulatedServer
from llmbench.simulator.asked import Asked, NotAsked
from llmbench.simulator.manner import Manner
from llmbench.simulator.scheduling.account import (
    Account,
    Drafts,
    Told,
    account,
    drafts_of,
    speculated,
)
from llmbench.simulator.scheduling.prefix_cache import block_keys
from llmbench.simulator.texts.own_answers import foreign_turn, mark_of
from llmbench.simulator.texts.rendered import read_prompt
from llmbench.simulator.texts.vocabulary import answer_from, text_of
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
    keys: tuple[int, ...] = ()  # of the blocks of its prompt and its answer
    turn: int = 0  # of a conversation, from 1; 0: it is none

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

    @property
    def answer(self) -> str:
        """The text that the model would generate, without reasoning."""
        first = answer_from(self.total, self.manner) if self.turn else 1
        return text_of(first, self.total, self.manner, self.asked.mark, self.total)

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

    def ended(self, outcome: str, tokens: int, sent_ns: Sequence[int] = ()) -> None:
        """Write the request into the truth, with the times of its writes with tokens."""
        prompt, generated = self.asked.prompt_tokens, 0 if self.asked.inputs else tokens
        self.truth.finished(outcome, prompt, generated, self.received_ns, sent_ns)


def with_prompt(job: CompletionJob, body: bytes) -> CompletionJob:
    """The job with what its prompt means for the prefix cache and for a conversation, if any.

    `NotAsked` where conversations are checked and an answer in the history is not the server's.
    """
    size = job.config.prefix_cache
    if job.asked.inputs or (size is None and not job.config.checks_history):
        return job
    prompt = read_prompt(body, job.config.image_tokens)
    job = structs.replace(job, turn=prompt.turn)
    if job.config.checks_history and prompt.messages:
        if wrong := foreign_turn(prompt.messages):
            raise NotAsked(wrong)
        asked = structs.replace(job.asked, mark=mark_of(prompt.messages))
        job = structs.replace(job, asked=asked)
    if size is None or not prompt.may_be_cached:
        return job
    tokens = prompt.tokens(job.answer)
    return structs.replace(job, keys=block_keys(tokens, size.block_tokens, prompt.salt))
