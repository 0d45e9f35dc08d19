"""The grid of a server that nobody has set a grid for: a table in about a minute."""

from collections.abc import Sequence

from llmbench.config import Grid

INPUT_TOKENS, OUTPUT_TOKENS = 128, 64
USERS: tuple[int, ...] = (1, 4, 16)
MOST_REQUESTS, FEWEST_REQUESTS = 5, 2

LOADED_S = 40.0
"""The time for the load of all cells, of the minute that a first look may take."""

GROWTH = 0.25
"""How much longer each further user makes a request, in times of a lone one. It would be 0 on a
server that batches perfectly and 1 on one that answers one after another."""


def first_grid(latency_s: float | None) -> Grid:
    """The grid for a server whose lone request took `latency_s`: the slower, the fewer requests.

    The most users are left out where even the fewest requests would take twice the time.
    """
    users = USERS
    while latency_s and len(users) > 2 and _load_s(users, latency_s) > 2 * LOADED_S:
        users = users[:-1]
    return Grid(
        input_tokens=(INPUT_TOKENS,),
        output_tokens=(OUTPUT_TOKENS,),
        users=users,
        requests=MOST_REQUESTS if latency_s is None else _requests(users, latency_s),
    )


def _requests(users: Sequence[int], latency_s: float) -> int:
    """The requests of each user that fit `LOADED_S`, after one to warm up."""
    fitting = int(LOADED_S / _round_s(users, latency_s)) - 1
    return max(FEWEST_REQUESTS, min(MOST_REQUESTS, fitting))


def _load_s(users: Sequence[int], latency_s: float) -> float:
    """The time for the fewest requests, and one to warm up, with each number of users."""
    return (FEWEST_REQUESTS + 1) * _round_s(users, latency_s)


def _round_s(users: Sequence[int], latency_s: float) -> float:
    """The time for one request of every user, with each number of users."""
    return sum(latency_s * (1 + GROWTH * (number - 1)) for number in users)
