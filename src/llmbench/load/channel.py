"""What a worker and whoever directs it say to each other while a cell runs."""

from collections.abc import Callable
from time import monotonic
from typing import Literal, Protocol

from msgspec import Struct

from llmbench.load.progress import Progress

ASK_PERIOD_S = 1.0


class Control(Struct, frozen=True):
    """What to do now. `begin_unix_ns` is when the load starts; None: as soon as ready."""

    order: Literal["wait", "run", "stop", "server_died", "abort"]
    begin_unix_ns: int | None = None
    why: str = ""


RUN = Control("run")
WAIT = Control("wait")


class Channel(Protocol):
    """A worker's line to its director."""

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        """Tell how far it is, hear what to do. Called off the event loop, a few times a second;
        it may block."""


class Alone:
    """The channel of a cell's only worker: nobody directs it, but the server may die."""

    def __init__(self, died: Callable[[], str | None] | None) -> None:
        self._died = died
        self._asked = monotonic()

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        if self._died is None or monotonic() - self._asked < ASK_PERIOD_S:
            return RUN
        self._asked = monotonic()
        why = self._died()
        return RUN if why is None else Control("server_died", why=why)
