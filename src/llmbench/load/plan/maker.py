"""What makes the requests of a repeat, whatever they say."""

from collections.abc import Collection
from typing import Literal, Protocol

from msgspec import Struct

from llmbench.load.plan.planned_request import PlannedRequest

Phase = Literal["warmup", "measured"]


class ClassPart(Struct, frozen=True):
    """The part of a mix that a maker makes: its class, and where its texts and conversations stand.

    It has every `stride`-th conversation of the cell, from `first_conversation` on.
    """

    name: str | None = None
    first_text: int = 0
    first_conversation: int = 1
    stride: int = 1


class Drawing(Struct, frozen=True):
    """What the requests of a repeat are drawn from, besides its cell and its texts.

    The texts at the indexes `seen` are taken last, as the server knows them. `first_measured` is
    the ordinal of the first measured request: those of a closed loop, which has so many `users`,
    begin with the warm-up's.
    """

    seed: int
    repeat: int
    salt: str
    seen: Collection[int] = ()
    first_measured: int = 0
    users: int = 1  # 1 in an open loop
    part: ClassPart = ClassPart()


class Maker(Protocol):
    """Makes the requests of a repeat."""

    def make(
        self,
        ordinal: int,
        *,
        user: int,
        request: int,
        phase: Phase,
        lengths: tuple[int, int] | None = None,
    ) -> PlannedRequest:
        """The request `ordinal` (0, 1, … over the whole cell), or the first of a conversation."""
