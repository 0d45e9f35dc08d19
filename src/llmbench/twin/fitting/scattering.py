"""How far repeats scatter: a few users share steps as they must, many as chance has it."""

from collections.abc import Sequence

import numpy as np

from llmbench.twin.cell_figures import KINDS, Array

LEAST_SCATTER = 0.01
"""No figure is trusted to more than 1 %, however well its repeats agree: hosts drift by as much."""

_SHARED = 4
"""The scatter of all cells counts as so many repeats of each number of users."""


def by_users(
    users: Sequence[int], deviations: Sequence[Array], degrees: Sequence[int]
) -> dict[int, Array]:
    """The standard deviations of a repeat's figures for each number of users.

    Each cell has its users, its deviations (repeats × figures) and their degrees of freedom. All
    are 0 where there are none.
    """
    nothing = np.zeros(len(KINDS))
    squares = [(of_cell**2).sum(axis=0) for of_cell in deviations]
    shared = _SHARED * sum(squares, nothing) / max(1, sum(degrees))
    found = {}
    for number in sorted(set(users)):
        mine = [n for n, one in enumerate(users) if one == number]
        own = sum((squares[n] for n in mine), nothing)
        found[number] = np.sqrt((own + shared) / (sum(degrees[n] for n in mine) + _SHARED))
    return found


def about_means(users: Sequence[int], cells: Sequence[Array]) -> dict[int, Array]:
    """The same of repeats (of each cell: repeats × figures) about the means of their cells."""
    deviations = [of_cell - of_cell.mean(axis=0) for of_cell in cells]
    return by_users(users, deviations, [len(of_cell) - 1 for of_cell in cells])


def standard_error(scatter: Array, repeats: int) -> Array:
    """That of a mean over so many repeats."""
    return np.asarray(np.hypot(LEAST_SCATTER, scatter / np.sqrt(repeats)))
