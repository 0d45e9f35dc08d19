"""What makes the requests of a repeat, whatever they say."""

from typing import Literal, Protocol

from llmbench.load.plan.planned_request import PlannedRequest

Phase = Literal["warmup", "measured"]


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
