"""What the simulated engine knows of a request at its end, and tells where it is asked to."""

from itertools import takewhile
from random import Random

from msgspec import Struct

NS_PER_MS = 1e6


class Drafts(Struct, frozen=True):
    """What speculative decoding came to: tokens drafted and accepted, and the steps that took."""

    steps: int = 0
    drafted: int = 0
    accepted: int = 0


class Account(Struct, frozen=True):
    """Where the time of a request went by the engine's own clock; `received_ns` is monotonic.

    It waits until it is started, is prefilled until its first token, and decodes until its last.
    """

    received_ns: int
    queue_ms: float
    prefill_ms: float
    decode_ms: float
    drafts: Drafts = Drafts()

    @property
    def total_ms(self) -> float:
        """From the receipt to the last token."""
        return self.queue_ms + self.prefill_ms + self.decode_ms

    def scaled(self, rate: float) -> "Account":
        """The account of a clock that runs at `rate`."""
        times = (self.queue_ms * rate, self.prefill_ms * rate, self.decode_ms * rate)
        return Account(self.received_ns, *times, self.drafts)


Told = Account | None
"""An account where it is told, which no engine does before the last token."""


def account(
    received_ns: int, started_ns: int, first_ns: int, last_ns: int, drafts: Drafts
) -> Account:
    """The account of a request with these (monotonic) times."""
    queue_ms = (started_ns - received_ns) / NS_PER_MS
    prefill_ms = (first_ns - started_ns) / NS_PER_MS
    return Account(received_ns, queue_ms, prefill_ms, (last_ns - first_ns) / NS_PER_MS, drafts)


def speculated(tokens: int, drafted: int, acceptance: float, random: Random) -> list[int]:
    """How many tokens leave together, step by step, until there are `tokens` of them.

    The first comes from the prompt. Each step then drafts `drafted` tokens, accepts them up to the
    first that fails (each holds with probability `acceptance`) and adds one of its own: on average
    (1 - p^(k+1)) / (1 - p) tokens (Leviathan et al., 2023). The last step is cut at the limit.
    """
    sizes = [1] if tokens else []
    left = tokens - 1
    while left > 0:
        accepted = sum(1 for _ in takewhile(lambda _: random.random() < acceptance, range(drafted)))
        sizes.append(min(left, 1 + accepted))
        left -= sizes[-1]
    return sizes


def drafts_of(sizes: list[int], drafted: int) -> Drafts:
    """What the steps of `speculated` came to; only tokens that leave count as accepted."""
    steps = len(sizes) - 1
    return Drafts(steps, steps * drafted, sum(sizes[1:]) - steps)
