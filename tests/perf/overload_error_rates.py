"""Print how often the test for overload is wrong: overload_error_rates.py [CELLS].

A cell is a queue that starts empty and is measured from the moment at which its load is steady,
as `llmbench.metrics.windows` finds it. Arrivals are constant or Poisson; a server has c slots,
each request takes a time that is constant, uniform (+-50 %) or exponential, 1 s on average
(`share`: c slots' worth of work is shared by all that are under way, as in continuous batching).
Load is the rate asked over the capacity. Below 1 every alarm is a false one.
"""

import sys
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmbench.metrics.overload import queue_trend
from llmbench.metrics.windows import filling

Array = NDArray[np.float64]


class Queue(NamedTuple):
    """A server, what arrives at it, and for how long it is measured once it is steady."""

    arrivals: str
    service: str
    slots: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.arrivals} {self.service} c={self.slots} {self.seconds:g} s"


QUEUES = (
    Queue("poisson", "constant", 1, 60),
    Queue("poisson", "constant", 4, 30),
    Queue("poisson", "constant", 32, 30),
    Queue("constant", "constant", 4, 30),
    Queue("poisson", "uniform", 4, 30),
    Queue("constant", "uniform", 4, 30),
    Queue("poisson", "exponential", 1, 120),
    Queue("poisson", "exponential", 4, 30),
    Queue("poisson", "exponential", 16, 30),
    Queue("poisson", "share", 8, 30),
)
MOST_FILLING = 3.0
"""Durations of a cell for which an open loop waits for a steady load, at most."""
LOADS = (0.5, 0.8, 0.9, 1.1, 1.2, 1.5, 2.0, 4.0)


def draw(random: np.random.Generator, queue: Queue, load: float) -> tuple[Array, Array, float]:
    """When requests were due and done, and the rate that was asked."""
    rate = load * queue.slots
    count = int(rate * queue.seconds * 4 + 50)
    if queue.arrivals == "constant":
        due = np.arange(count) / rate
    else:
        due = random.exponential(1 / rate, count).cumsum()
    if queue.service == "share":
        return due, shared(due, random.uniform(0.5, 1.5, count), queue.slots), rate
    taken = {
        "constant": np.ones(count),
        "uniform": random.uniform(0.5, 1.5, count),
        "exponential": random.exponential(1.0, count),
    }
    return due, queued(due, taken[queue.service], queue.slots), rate


def queued(due: Array, taken: Array, slots: int) -> Array:
    """When each request of a first-come-first-served queue is done."""
    free: list[float] = [0.0] * slots
    done = np.empty_like(due)
    for k, (at, time) in enumerate(zip(due, taken, strict=True)):
        done[k] = max(at, heappop(free)) + time
        heappush(free, done[k])
    return done


def shared(due: Array, work: Array, slots: int) -> Array:
    """When each is done where all share the server: at speed min(1, slots / under way) each."""
    done = np.empty_like(due)
    under_way: list[tuple[float, int]] = []  # (speed-weighted time at which it ends, which)
    now, progress, upcoming = 0.0, 0.0, 0
    while upcoming < len(due) or under_way:
        speed = min(1.0, slots / len(under_way)) if under_way else 1.0
        ends = now + (under_way[0][0] - progress) / speed if under_way else np.inf
        arrives = due[upcoming] if upcoming < len(due) else np.inf
        progress += (min(ends, arrives) - now) * speed
        now = min(ends, arrives)
        if ends <= arrives:
            done[heappop(under_way)[1]] = now
        else:
            heappush(under_way, (progress + work[upcoming], upcoming))
            upcoming += 1
    return done


def alarm(random: np.random.Generator, queue: Queue, load: float) -> bool:
    """Whether one cell is called overloaded."""
    due, done, rate = draw(random, queue, load)
    start = due[0] + min(filling(due, done), MOST_FILLING * queue.seconds)
    end = start + queue.seconds
    sent = due <= end
    due, done = due[sent] - start, done[sent] - start
    trend = queue_trend(due, done, np.ones(len(due), bool), rate, end - start)
    return trend is not None and trend.grows


def alarms(queue: Queue, load: float, cells: int, seed: int = 1) -> float:
    """The share of `cells` that are called overloaded."""
    random = np.random.default_rng(seed)
    return sum(alarm(random, queue, load) for _ in range(cells)) / cells


def main(cells: int) -> None:
    print(f"share of {cells} cells called OVERLOADED, by load (rate asked / capacity)")
    print(f"{'':34}" + "".join(f"{load:>8g}" for load in LOADS))
    for queue in QUEUES:
        found = [alarms(queue, load, cells) for load in LOADS]
        print(f"{queue!s:34}" + "".join(f"{share:8.1%}" for share in found), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
