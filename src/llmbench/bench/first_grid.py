"""The grid of a server that nobody has set a grid for: a table in about a minute."""

from llmbench.config import Grid

INPUT_TOKENS, OUTPUT_TOKENS = 128, 64
USERS = (1, 4, 16)
MOST_REQUESTS, FEWEST_REQUESTS = 5, 2

LOADED_S = 40.0
"""The time for the load of all cells, of the minute that a first look may take."""

GROWTH = 0.25
"""How much longer each further user makes a request, in times of a lone one. It would be 0 on a
server that batches perfectly and 1 on one that answers one after another."""


def first_grid(latency_s: float | None) -> Grid:
    """The grid for a server whose lone request took `latency_s`: the slower, the fewer requests."""
    return Grid(
        input_tokens=(INPUT_TOKENS,),
        output_tokens=(OUTPUT_TOKENS,),
        users=USERS,
        requests=MOST_REQUESTS if latency_s is None else _requests(latency_s),
    )


def _requests(latency_s: float) -> int:
    """The requests of each user that fit `LOADED_S`, after one to warm up."""
    round_s = sum(latency_s * (1 + GROWTH * (users - 1)) for users in USERS)
    return max(FEWEST_REQUESTS, min(MOST_REQUESTS, int(LOADED_S / round_s) - 1))
