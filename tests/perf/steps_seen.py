"""Hold a twin's steps to those that were seen on the wire: python -m tests.perf.steps_seen RUN.

A twin is fitted to the means of a run's cells. The arrivals of tokens tell the steps themselves:
those of a step come together, and the next step's that much later. So each number of sequences has
its median step, which the fit has never seen. Steps that compute a prompt are left out.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct

from llmbench.records import RequestRecord
from llmbench.store import RunDir
from llmbench.twin import Twin, fit_run

LEAST_STEPS = 50
"""Numbers of sequences of which fewer were seen come between others, and are not told."""


class Token(Struct, frozen=True):
    """An arrival: whose it is, the number of its token, and the tokens before that."""

    at_ns: int
    user: int
    number: int
    context_tokens: int


class Step(Struct, frozen=True):
    """A step that brought a token to each of its sequences."""

    sequences: int
    lasted_ms: float
    context_tokens: int


def tokens(records: Iterable[RequestRecord]) -> list[Token]:
    """The tokens of one repeat in the order of their arrivals."""
    arrivals = [
        Token(record.sent_ns + offset_ns, record.user, number, (record.input_tokens or 0) + number)
        for record in records
        if record.sent_ns is not None and record.user is not None
        for number, offset_ns in enumerate(record.event_ns[: record.output_tokens])
    ]
    return sorted(arrivals, key=lambda token: token.at_ns)


def together(arrivals: Iterable[Token], within_ms: float) -> Iterator[list[Token]]:
    """The tokens of each step: of several users, within this time of the first."""
    group: list[Token] = []
    for token in arrivals:
        is_late = bool(group) and token.at_ns - group[0].at_ns > within_ms * 1e6
        if is_late or token.user in {one.user for one in group}:
            yield group
            group = []
        group.append(token)
    yield group


def steps(arrivals: Iterable[Token], within_ms: float) -> Iterator[Step]:
    """The steps that decoded only, for no one who had not been in the step before."""
    for before, after in pairwise(together(arrivals, within_ms)):
        goes_on = {one.user for one in after} <= {one.user for one in before}
        if goes_on and all(one.number for one in after):
            lasted_ms = (after[0].at_ns - before[0].at_ns) / 1e6
            yield Step(len(after), lasted_ms, sum(one.context_tokens for one in after))


def seen(run: RunDir, within_ms: float) -> dict[int, list[Step]]:
    """All steps of a run by their number of sequences."""
    repeats = defaultdict(list)
    for record in run.requests():
        repeats[record.cell, record.repeat].append(record)
    found = defaultdict(list)
    for records in repeats.values():
        for step in steps(tokens(records), within_ms):
            found[step.sequences].append(step)
    return found


def show(twin: Twin, found: dict[int, list[Step]]) -> None:
    """Print the medians beside the twin's."""
    print("sequences   steps   ms seen (10 % to 90 %)   ms by the twin")
    for sequences, of_number in sorted(found.items()):
        if len(of_number) < LEAST_STEPS:
            continue
        low, median, high = np.percentile([one.lasted_ms for one in of_number], (10, 50, 90))
        context = float(np.median([one.context_tokens for one in of_number]))
        told = twin.steps.batch_ms(sequences) + twin.steps.ms_per_context_token * context
        reach = f"{median:.1f} ({low:.1f} to {high:.1f})"
        off = f"{told / median - 1:+.1%}"
        print(f"{sequences:>9}{len(of_number):>8}   {reach:<25}{told:.1f} ({off})")


def main(path: str) -> None:
    """Fit a twin, and print its steps beside those seen."""
    run = RunDir.open(Path(path))
    twin = fit_run(run).twin
    show(twin, seen(run, twin.steps.batch_ms(1) / 2))


if __name__ == "__main__":
    main(*sys.argv[1:])
