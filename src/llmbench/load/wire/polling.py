"""An event loop that calls the readers of its connections straight from the poll.

asyncio makes a handle for each ready socket, queues it, and runs it in a context of its own, which
is a third of what reading a token costs. Here one epoll holds the connections' sockets and, as one
more descriptor, the selector with everything else that asyncio waits for.
"""

import asyncio
import select
import selectors
from collections.abc import Callable, Coroutine, Mapping
from math import inf
from time import monotonic_ns
from typing import Any, TypeVar

LOOK_S = 0.001
"""An idle client looks at its sockets this often.

Data that is read later must have come after each look that found its socket empty. This bounds
the arrival of data that is read together with more.
"""

OnReadable = Callable[[], None]
T = TypeVar("T")


class Poller(selectors.BaseSelector):
    """asyncio's selector, with sockets besides whose readers are called when they are ready."""

    def __init__(self) -> None:
        self._others = selectors.DefaultSelector()
        self._epoll = select.epoll()
        self._epoll.register(self._others, select.EPOLLIN)
        self._readers: dict[int, OnReadable] = {}
        self.on_exception: Callable[[dict[str, Any]], None] | None = None
        self.empty_ns = 0  # when a poll began that found the sockets empty which are ready now
        self._began_ns = 0
        self.rest_s = 0.0  # a wait before each poll, so that more is ready at once
        self._urgent = select.epoll()  # what a rest must not keep waiting
        self._urgent.register(self._others, select.EPOLLIN)
        self._hurried: set[int] = set()

    def add_socket(self, fd: int, on_readable: OnReadable) -> None:
        """Call `on_readable` whenever the socket `fd` has data or has ended."""
        self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = on_readable

    def remove_socket(self, fd: int) -> None:
        """Stop polling `fd`, which must still be open."""
        if self._readers.pop(fd, None) is not None:
            self.unhurry(fd)
            self._epoll.unregister(fd)

    def hurry(self, fd: int) -> None:
        """Let data on `fd` end a rest: its answer is about to end, and its user waits for that."""
        if fd not in self._hurried:
            self._hurried.add(fd)
            self._urgent.register(fd, select.EPOLLIN)

    def unhurry(self, fd: int) -> None:
        """End what `hurry` began."""
        if fd in self._hurried:
            self._hurried.remove(fd)
            self._urgent.unregister(fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Call the readers of the sockets that are ready; return what is ready for asyncio."""
        others: list[tuple[selectors.SelectorKey, int]] = []
        for fd, _ in self._ready(inf if timeout is None else max(timeout, 0)):
            on_readable = self._readers.get(fd)  # None if an earlier reader closed this one
            if on_readable is not None:
                try:
                    on_readable()
                except Exception as error:
                    self._raised(error, on_readable)
            elif fd == self._others.fileno():
                others = self._others.select(0)
        return others

    def _raised(self, error: Exception, on_readable: OnReadable) -> None:
        """Hand an exception to the loop's handler, as asyncio does with those of callbacks."""
        if self.on_exception is None:
            raise error
        self.on_exception({"message": f"Exception in {on_readable}", "exception": error})

    def _ready(self, wait_s: float) -> list[tuple[int, int]]:
        """Poll for `wait_s`, in looks of `LOOK_S` while there are connections to look at."""
        if not self._readers:
            return self._epoll.poll(-1 if wait_s == inf else wait_s)
        most = len(self._readers) + 1
        end_ns = monotonic_ns() + wait_s * 1e9  # by the clock: each look takes longer than it asks
        if self.rest_s and wait_s > self.rest_s:
            self._urgent.poll(self.rest_s)
        while True:
            self.empty_ns, self._began_ns = self._began_ns, monotonic_ns()
            left_s = max((end_ns - self._began_ns) / 1e9, 0)
            ready = self._epoll.poll(min(left_s, LOOK_S), most)
            if ready or left_s <= LOOK_S:
                return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._others.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._others.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._others.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._others.get_map()

    def close(self) -> None:
        self._epoll.close()
        self._urgent.close()
        self._others.close()


class PollingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop on a `Poller`."""

    def __init__(self) -> None:
        self.poller = Poller()
        super().__init__(self.poller)
        self.poller.on_exception = self.call_exception_handler


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest loop that this system has."""
    return PollingLoop() if hasattr(select, "epoll") else asyncio.new_event_loop()


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` like `asyncio.run`, but on a loop of `new_loop`."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def add_socket(loop: asyncio.AbstractEventLoop, fd: int, on_readable: OnReadable) -> None:
    """Call `on_readable` whenever `fd` can be read, by the shortest way of `loop`."""
    if isinstance(loop, PollingLoop):
        loop.poller.add_socket(fd, on_readable)
    else:
        loop.add_reader(fd, on_readable)


def poller_of(loop: asyncio.AbstractEventLoop) -> Poller | None:
    """The poller of `loop`; None if it is not one of our loops."""
    return loop.poller if isinstance(loop, PollingLoop) else None


def seen_empty_ns(loop: asyncio.AbstractEventLoop) -> int:
    """The start of a poll that found the sockets empty which are ready now; 0: not known."""
    return loop.poller.empty_ns if isinstance(loop, PollingLoop) else 0


def remove_socket(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """End what `add_socket` began."""
    if isinstance(loop, PollingLoop):
        loop.poller.remove_socket(fd)
    else:
        loop.remove_reader(fd)
