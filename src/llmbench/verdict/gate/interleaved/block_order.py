"""Draws which side comes first in each round of blocks.

Two rounds make A B B A or B A A B, drawn from the seed. Within the four each side has the same
mean position, so a drift that is linear in time favours neither; and as the order is drawn, a
neighbour that comes and goes in step with the blocks can't favour one side for long.
"""

import hashlib


def a_opens(seed: int, round_number: int) -> bool:
    """Whether A's block comes before B's in the round 1, 2, …"""
    four, second = divmod(round_number - 1, 2)
    drawn = hashlib.sha256(f"{seed}\0{four}".encode()).digest()[0] % 2 == 0
    return drawn != bool(second)
