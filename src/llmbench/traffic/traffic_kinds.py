"""Traffic: what requests say and in which order, where lengths alone do not describe it.

A file under fixtures/traffic/ is one of the kinds of `Traffic`; docs/traffic.md documents the keys.
"""

from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta, Struct

from llmbench.value_types import Count, Counts, NotNegative, Positive, Slo

Cache = Literal["on", "off"]
"""Whether requests leave the server's prompt cache on, or ask it to keep them apart."""

Part = Annotated[float, Meta(gt=0, le=1)]
"""A share of requests that is not empty."""


class Think(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a user thinks about an answer before the next turn; seeded.

    `mean_s` is the mean of every distribution, `sigma` the lognormal one's shape.
    """

    mean_s: NotNegative = 0.0
    distribution: Literal["fixed", "exponential", "lognormal"] = "fixed"
    sigma: Positive = 1.0


class HangUps(Struct, frozen=True, forbid_unknown_fields=True):
    """The share of requests on which the client hangs up in the middle of the answer.

    It closes the connection once `after_tokens` events with tokens have come, or `after_ms` after
    the sending; one of them is given.
    """

    share: Part
    after_tokens: Count | None = None
    after_ms: Positive | None = None

    @property
    def moment(self) -> str:
        """When that is, in words."""
        if self.after_tokens is None:
            return f"after {self.after_ms:g} ms"
        return f"after {self.after_tokens} token{'s' if self.after_tokens > 1 else ''}"


class Lengths(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="lengths"):
    """Prompts of one length, as the cells of a grid send them, with answers of one length."""

    name: str
    input_tokens: Count
    output_tokens: Count
    cache: Cache = "off"
    hang_ups: HangUps | None = None


class Conversations(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="conversations"
):
    """Conversations of several turns, each of which repeats all that was said before.

    With `answers` of the ``model`` the server's own answer of a turn is in the next request, with
    ``recorded`` that of the source.
    """

    name: str
    output_tokens: Count  # of each answer
    source: str = "synthetic"  # as --llm-prompts names one; any: real ones where there are any
    turns: Count = 4  # at most
    fewest_turns: Count = 1  # shorter conversations of a source are left out
    user_tokens: Counts = (32,)  # made up: of each turn's message, the last for all that follow
    most_user_tokens: Count = 256  # a longer message ends a conversation of a source before it
    system: str = ""  # the system prompt
    system_tokens: Annotated[int, Meta(ge=0)] = 0  # made up instead, the same for all conversations
    answers: Literal["model", "recorded"] = "model"
    exact: bool = True  # answers of exactly `output_tokens`, where the engine can be told so
    context_tokens: Count | None = None  # of the longest conversation; None: the server's
    think: Think = Think()
    conversations: Count = 200  # different ones
    cache: Cache = "on"


class SharedPrefix(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="shared-prefix"
):
    """Requests of groups: all of a group begin with the same tokens, and each ends with its own.

    Groups are equally popular, or the k-th has the weight 1 / k ** `exponent` (Zipf's law).
    """

    name: str
    groups: Count
    prefix_tokens: Count
    suffix_tokens: Count
    output_tokens: Count
    popularity: Literal["uniform", "zipf"] = "uniform"
    exponent: Positive = 1.0
    suffixes: Count = 500  # different ones
    cache: Cache = "on"
    hang_ups: HangUps | None = None


class Replayed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="requests"):
    """Requests of a JSONL file, sent as they are; with timestamps when they are due."""

    name: str
    file: str
    output_tokens: Count = 128  # the limit of those that have none
    speedup: Positive = 1.0
    cache: Cache = "on"
    hang_ups: HangUps | None = None


Plain = Lengths | Conversations | SharedPrefix | Replayed
"""The kinds of traffic that a class of a mix may have."""


class TrafficClass(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a mix: what it sends, to which model, and which limits its requests have to meet.

    Without a `model` its requests name that of the cell, and without an `slo` they have the cell's
    limits. A LoRA adapter is a model by its name.
    """

    name: str
    share: Part  # of the requests, or of the conversations that begin
    traffic: Plain
    model: str | None = None
    headers: dict[str, str] = {}
    slo: Slo | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.traffic))  # as tables of headers and limits have no hash


class Mix(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mix"):
    """Several classes of requests side by side, in exact shares."""

    name: str
    classes: tuple[TrafficClass, ...]

    @property
    def cache(self) -> Cache:
        """Whether any class leaves the prompt cache on."""
        return "on" if any(one.traffic.cache == "on" for one in self.classes) else "off"


Traffic = Plain | Mix


def exactly(share: float) -> Fraction:
    """The share as it was written in a file, which a float holds only nearly."""
    return Fraction(repr(share))


def converse(traffic: Traffic | None) -> bool:
    """Whether any of its requests are turns of conversations."""
    if isinstance(traffic, Mix):
        return any(converse(one.traffic) for one in traffic.classes)
    return isinstance(traffic, Conversations)


def plain_lengths(traffic: Traffic | None) -> tuple[Lengths, ...]:
    """The parts of it that send prompts of a length."""
    if isinstance(traffic, Mix):
        return tuple(part for one in traffic.classes for part in plain_lengths(one.traffic))
    return (traffic,) if isinstance(traffic, Lengths) else ()


def hang_ups_of(traffic: Traffic | None) -> tuple[HangUps, ...]:
    """On which parts of it the client hangs up, and when."""
    if isinstance(traffic, Mix):
        return tuple(found for one in traffic.classes for found in hang_ups_of(one.traffic))
    own: HangUps | None = getattr(traffic, "hang_ups", None)
    return () if own is None else (own,)
