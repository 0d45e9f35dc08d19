"""The loop that calls readers straight from the poll."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from llmbench.load.wire.polling import (
    Poller,
    PollingLoop,
    add_socket,
    new_loop,
    remove_socket,
    run_loop,
)


async def read_all(count: int, watched: Callable[[socket.socket, Callable[[], None]], None]) -> int:
    """Send a byte through `count` socket pairs; how many came through the watched ends."""
    pairs = [socket.socketpair() for _ in range(count)]
    got = 0
    done = asyncio.Event()

    def reader(end: socket.socket) -> Callable[[], None]:
        def read() -> None:
            nonlocal got
            got += len(end.recv(10))
            if got == count:
                done.set()

        return read

    for near, far in pairs:
        watched(near, reader(near))
        far.send(b"x")
    await asyncio.wait_for(done.wait(), 10)
    for near, far in pairs:
        remove_socket(asyncio.get_running_loop(), near.fileno())
        near.close()
        far.close()
    return got


def watched(end: socket.socket, reader: Callable[[], None]) -> None:
    add_socket(asyncio.get_running_loop(), end.fileno(), reader)


def test_readers_are_called_while_asyncio_waits() -> None:
    assert run_loop(read_all(50, watched)) == 50


def test_another_loop_does_the_same() -> None:
    assert asyncio.run(read_all(50, watched)) == 50


def test_timers_and_asyncios_own_sockets_go_on() -> None:
    async def main() -> tuple[bytes, bool]:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        fired = asyncio.Event()
        loop.call_later(0.001, fired.set)
        data, _ = await asyncio.gather(loop.sock_recv(near, 10), loop.sock_sendall(far, b"hi"))
        await asyncio.wait_for(fired.wait(), 10)
        near.close()
        far.close()
        return data, fired.is_set()

    assert run_loop(main()) == (b"hi", True)


def test_a_reader_may_end_the_watch_of_another_that_is_ready_too() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        calls = 0

        def read() -> None:
            nonlocal calls
            calls += 1
            for near, _ in pairs:
                remove_socket(loop, near.fileno())

        for near, far in pairs:
            add_socket(loop, near.fileno(), read)
            far.send(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for near, far in pairs:
            near.close()
            far.close()
        return calls

    assert run_loop(main()) == 1


def test_what_was_not_watched_can_be_forgotten() -> None:
    loop = new_loop()
    remove_socket(loop, 10_000)
    loop.close()
    assert isinstance(loop, PollingLoop)


def test_a_wait_in_many_looks_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes a tenth longer than it was asked to, as the kernel's timers do."""
    now_ns = 0

    class Slow:
        def poll(self, wait_s: float, most: int = -1) -> list[tuple[int, int]]:
            nonlocal now_ns
            now_ns += round(wait_s * 1.1e9)
            return []

    poller = Poller()
    near, far = socket.socketpair()
    poller.add_socket(near.fileno(), lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr("llmbench.load.wire.polling.monotonic_ns", lambda: now_ns)
        patched.setattr(poller, "_epoll", Slow())
        assert poller.select(0.25) == []
    poller.remove_socket(near.fileno())
    poller.close()
    near.close()
    far.close()
    assert 250_000_000 <= now_ns < 251_200_000  # not 275 ms
