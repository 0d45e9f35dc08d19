"""A request that is ready to be sent."""

from typing import Literal

from msgspec import Struct

from llmbench.load.plan.talks import Talk
from llmbench.traffic import HangUps


class PlannedRequest(Struct, frozen=True, gc=False):
    """A request that the plan wants made, ready to be sent."""

    user: int
    request: int
    phase: Literal["warmup", "measured"]
    prompt: int
    prompt_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None
    payload: bytes
    stream: bool = True
    other_payloads: tuple[bytes, ...] = ()  # the same for each further instance
    traffic: str | None = None
    traffic_class: str | None = None
    conversation: int | None = None
    turn: int | None = None
    prefix_tokens: int | None = None
    think_ns: int | None = None
    inputs: tuple[int, ...] = ()  # indexes of all prompts, where each has a result and no tokens
    images: int | None = None  # sent beside the prompt
    talk: Talk | None = None  # the conversation that goes on with the answer
    hang_ups: HangUps | None = None  # after which of its tokens or when the client hangs up

    def payload_for(self, replica: int) -> bytes:
        """The request as that instance gets it."""
        return self.other_payloads[replica - 1] if replica else self.payload
