"""Deals requests to the instances of a server."""

from collections.abc import Sequence

from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.target import Target


class Dealer:
    """Chooses the instance of each request.

    Round robin deals users, and in an open loop arrivals, in turn. Else each request goes to an
    instance with the fewest of this process's requests under way, in turn where there are several.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._least_busy = targets[0].endpoint.client.deal == "least busy"
        self._in_flight = [0] * len(targets)
        self._last = -1

    def targets_of(self, user: int) -> dict[int, Target]:
        """The instances, by number, that the requests of `user` may go to (0: anybody's)."""
        if user and not self._least_busy:
            replica = (user - 1) % len(self._targets)
            return {replica: self._targets[replica]}
        return dict(enumerate(self._targets))

    def begin(self, planned: PlannedRequest) -> int:
        """The instance that `planned` is sent to now."""
        count = len(self._targets)
        if self._least_busy:
            after = self._last + 1
            turns = [(after + k) % count for k in range(count)]
            replica = self._last = min(turns, key=self._in_flight.__getitem__)
        else:
            replica = ((planned.user or planned.request) - 1) % count
        self._in_flight[replica] += 1
        return replica

    def end(self, replica: int) -> None:
        """Note that a request there has ended."""
        self._in_flight[replica] -= 1
