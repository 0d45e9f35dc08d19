"""Finds where the monotonic clock of another machine stands on this one's wall clock.

As with NTP, the machine is asked for its time, and its answer was made between the question and the
arrival of the answer. So each round trip bounds its clock from both sides, and several bounds are
intersected. The other machine's wall clock plays no part.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from llmbench.clock import Clock

ROUNDS = 20  # round trips at most: the best of 20 is close to the network's shortest
GOOD_NS = 500_000
"""Bounds as close as this need no further round trip: a hundredth of a usual TTFT."""


class AnchorBounds(Struct, frozen=True):
    """Bounds of a machine's anchor, which added to its monotonic clock gives ours (ns)."""

    earliest_ns: int
    latest_ns: int

    @property
    def anchor_ns(self) -> int:
        """The middle of the bounds."""
        return (self.earliest_ns + self.latest_ns) // 2

    @property
    def error_ns(self) -> int:
        """The most that the true anchor can be off the middle."""
        return (self.latest_ns - self.earliest_ns + 1) // 2

    def within(self, other: "AnchorBounds") -> "AnchorBounds":
        """The bounds that satisfy both; `other`, which is newer, if a clock moved and none do."""
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
