"""Ends the load with any error that is raised in one of its callbacks or tasks.

asyncio only logs what a callback raises; the loop would then wait for ever for the callback's work.
"""

import asyncio
from time import monotonic
from typing import Any

from llmbench.load.progress import Counts
from llmbench.records import ClientSettings

GRACE_S = 5.0
"""The time for which the load may stand still beyond all limits.

The sweep of the time-outs, connecting and decoding take a part of it.
"""
LOOK_MOST_S = 1.0  # counted for one look; a longer gap means that the process was stopped


class Faults:
    """Cancels the current task at the first exception of any callback, and raises it when left."""

    def __enter__(self) -> "Faults":
        self.first: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._loop.set_exception_handler(self._caught)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.set_exception_handler(None)
        if self.first is not None:
            raise self.first

    def _caught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:  # a warning of asyncio's own
            loop.default_exception_handler(context)
        elif self.first is None:
            self.first = error
            assert self._task is not None
            self._task.cancel()


def guarded(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    """`task`, whose exception is now raised in a callback, so that `Faults` sees it at once."""
    task.add_done_callback(_raise)
    return task


def _raise(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.result()


class StuckError(RuntimeError):
    """The load stood still although nothing could go on any more."""


class Standstill:
    """How long something has been the same, without the time in which this process was stopped."""

    def __init__(self) -> None:
        self._seen: object = None
        self._looked_s = monotonic()
        self._still_s = 0.0

    def seconds(self, seen: object, *, counts: bool = True) -> float:
        """The seconds for which `seen` has been what it is; looked at a few times a second.

        Time that doesn't count is as if something had changed.
        """
        now_s = monotonic()
        self._still_s += min(now_s - self._looked_s, LOOK_MOST_S)
        self._looked_s = now_s
        if seen != self._seen or not counts:
            self._seen, self._still_s = seen, 0.0
        return self._still_s


class Watchdog:
    """Raises `StuckError` if nothing settles for longer than the limits of `client` allow."""

    def __init__(self, client: ClientSettings) -> None:
        self._longest_s = client.connect_timeout_s + client.request_timeout_s
        self._standstill = Standstill()

    def look(self, counts: Counts, *, more_to_come: bool) -> None:
        """Compare the counts with those of the last look, which is a fraction of a second old.

        `more_to_come` says whether a timer of the load will still send something. If not, and with
        nothing in flight, standing still for a few seconds is enough.
        """
        seen = counts.sent, counts.settled, counts.in_flight  # what ended settles a moment later
        due = bool(counts.in_flight) or not more_to_come
        still_s = self._standstill.seconds(seen, counts=due)
        if still_s > GRACE_S + (self._longest_s if counts.in_flight else 0.0):
            raise StuckError(
                f"nothing settled for {still_s:.0f} s: {counts.sent} requests sent, "
                f"{counts.settled} settled, {counts.in_flight} in flight"
            )
