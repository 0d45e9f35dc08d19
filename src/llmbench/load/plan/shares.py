"""Deals requests to classes so that shares are exact: not drawn, and not only right in the mean.

A request's class is a function of its ordinal alone, whatever the number of workers and the speed
of the server.
"""

from array import array
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from llmbench.traffic import exactly

STEP = 2**0.5
"""From round to round users move on by an irrational part of a turn, as a rational one would be in
step with the rhythm of some shares: a user would then have but few of the classes."""


class Shares:
    """Which class the n-th request has, and how many of that class came before it.

    After any number n of requests a class of the share w has had less than one request more or
    fewer than w n; where w n is a whole number it has had exactly that. Source: R. Tijdeman,
    "The chairman assignment problem", Discrete Mathematics 32 (1980).
    """

    def __init__(self, shares: Sequence[float]) -> None:
        exact = [exactly(share) for share in shares]
        self._period = lcm(*(share.denominator for share in exact))
        self._weights = [int(share * self._period) for share in exact]
        self._had = [0] * len(shares)
        self._classes, self._ranks = array("H"), array("L")

    def at(self, place: int) -> tuple[int, int]:
        """The class of the request at `place` (0, 1, …), and its number within the class."""
        while len(self._classes) <= place:
            self._deal()
        return self._classes[place], self._ranks[place]

    def _deal(self) -> None:
        """Give the next request to the class that is due soonest, of those that have a claim."""
        n, period = len(self._classes) + 1, self._period
        slack = max(1, 2 * len(self._weights) - 2)
        behind = [w * n - had * period for w, had in zip(self._weights, self._had, strict=True)]
        _, chosen = min(
            ((period * (slack - 1) - slack * lag) / weight, k)
            for k, (lag, weight) in enumerate(zip(behind, self._weights, strict=True))
            if slack * lag >= period
        )
        self._classes.append(chosen)
        self._ranks.append(self._had[chosen])
        self._had[chosen] += 1


def place_of(ordinal: int, users: int) -> int:
    """The place of a request in the order by which classes are dealt.

    The requests of a round (one of each of `users`) keep their round, but not their user's place
    in it: else a user might have one class only. In an open loop, a round has one request.
    """
    number, user = divmod(ordinal, users)
    return number * users + (user + int(number * STEP % 1 * users)) % users


def is_chosen(rank: int, share: Fraction) -> bool:
    """Whether the request with this number is of the `share` that is to be chosen, evenly spread.

    Of the first n requests, as many are as n times the share, rounded.
    """
    half = Fraction(1, 2)
    return (rank + 1) * share + half >= (rank * share + half) // 1 + 1
