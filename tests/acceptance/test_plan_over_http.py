"""Servers that are measured over HTTP show what a plan says of the same requests."""

from pathlib import Path

import pytest

from llmbench.twin.fleet.replaying import Replicated
from llmbench.twin.fleet.routing import Routing
from tests.perf.plan_check import STEPS, compare, measure

TRIES = 3  # a busy host may be late for steps of 20 ms
WITHIN = 0.1


@pytest.mark.parametrize(("servers", "routing"), [(2, "least-requests"), (4, "round-robin")])
def test_the_means_of_several_servers_are_as_planned(
    servers: int, routing: Routing, tmp_path: Path
) -> None:
    """python -m tests.perf.plan_check prints how near they are on a quiet host."""
    off = {}
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        compared = compare(
            measure(folder, servers, 4.0, routing), Replicated(STEPS, servers, routing)
        )
        off = {one.name: one.off for one in compared if one.name.endswith("mean")}
        if max(map(abs, off.values())) < WITHIN:
            break
    assert off == pytest.approx(dict.fromkeys(off, 0.0), abs=WITHIN)
