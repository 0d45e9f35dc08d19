"""Where the monotonic clock of another machine stands on this one's wall clock.

As NTP does: it is asked what time it has, and its answer was made between the question and the
arrival of the answer. Each round trip bounds it from both sides; several are intersected. The
other machine's wall clock has no part in it.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from llmbench.clock import Clock

ROUNDS = 20
GOOD_NS = 500_000
"""Bounds as close as this need no further round trip."""


class AnchorBounds(Struct, frozen=True):
    """Bounds of a machine's anchor: what to add to its monotonic clock to have ours, in ns."""

    earliest_ns: int
    latest_ns: int

    @property
    def anchor_ns(self) -> int:
        """The middle."""
        return (self.earliest_ns + self.latest_ns) // 2

    @property
    def error_ns(self) -> int:
        """How far the truth can be from the middle."""
        return (self.latest_ns - self.earliest_ns + 1) // 2

    def within(self, other: "AnchorBounds") -> "AnchorBounds":
        """Where both hold; `other`, which is newer, where a clock moved and there is no such."""
        earliest = max(self.earliest_ns, other.earliest_ns)
        latest = min(self.latest_ns, other.latest_ns)
        return AnchorBounds(earliest, latest) if earliest <= latest else other


def anchor_bounds(ask: Callable[[], Mapping[str, int]], clock: Clock) -> dict[str, AnchorBounds]:
    """The bounds of each machine's anchor on `clock`; `ask` brings their monotonic clocks."""
    bounds: dict[str, AnchorBounds] = {}
    for _ in range(ROUNDS):
        asked_ns = clock.unix_ns()
        answers = ask()
        answered_ns = clock.unix_ns()
        for machine, monotonic_ns in answers.items():
            new = AnchorBounds(asked_ns - monotonic_ns, answered_ns - monotonic_ns)
            bounds[machine] = bounds[machine].within(new) if machine in bounds else new
        if all(each.error_ns <= GOOD_NS for each in bounds.values()):
            break
    return bounds
