"""Waits for sockets and for the next deadline, with a resolution of microseconds.

epoll counts whole milliseconds, which would make every token up to 1 ms late. An epoll
descriptor can itself be waited for, and ``select`` counts microseconds.
"""

import ctypes
import heapq
import select
import selectors
import socket
import sys
import time
from collections.abc import Callable
from itertools import count

PR_SET_TIMERSLACK = 29  # from <linux/prctl.h>: how late the kernel may wake this thread
SELECT_LIMIT = 1024
"""FD_SETSIZE: descriptors from this number on can't be given to ``select``."""


class Reactor:
    """Calls back when a socket can be read or written, and at deadlines.

    It calls `tick` before each wait; that does what is due and returns the next deadline in
    monotonic nanoseconds, or None.
    """

    def __init__(self, tick: Callable[[], int | None]) -> None:
        self._tick = tick
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._stopped = False
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)

    def watch(
        self, sock: socket.socket, call: Callable[[int], None], *, writing: bool = False
    ) -> None:
        """Call `call` with the event mask whenever `sock` can be read (and written)."""
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        if sock.fileno() in self._selector.get_map():
            self._selector.modify(sock, mask, call)
        else:
            self._selector.register(sock, mask, call)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching `sock`."""
        self._selector.unregister(sock)

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call `call` at the monotonic time `due_ns`."""
        heapq.heappush(self._timers, (due_ns, next(self._numbers), call))

    def stop(self) -> None:
        """Make `run` return after the present round."""
        self._stopped = True

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._stopped:
            due_ns = self._run_due()
            for key, mask in self._wait(due_ns):
                key.data(mask)

    def _run_due(self) -> int | None:
        """Do what is due and return the next deadline; a timer may make work for `tick`."""
        while self._timers and self._timers[0][0] <= time.monotonic_ns():
            heapq.heappop(self._timers)[2]()
        due_ns = self._tick()
        if not self._timers:
            return due_ns
        first_ns = self._timers[0][0]
        return first_ns if due_ns is None else min(first_ns, due_ns)

    def _wait(self, due_ns: int | None) -> list[tuple[selectors.SelectorKey, int]]:
        if due_ns is None:
            return self._selector.select(None)
        timeout_s = (due_ns - time.monotonic_ns()) / 1e9
        poll = getattr(self._selector, "fileno", lambda: SELECT_LIMIT)()
        if timeout_s <= 0:
            return self._selector.select(0)
        if poll >= SELECT_LIMIT:
            return self._selector.select(timeout_s)
        select.select([poll], [], [], timeout_s)
        return self._selector.select(0)
