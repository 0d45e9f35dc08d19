import os
import resource
import signal
from collections.abc import Iterator

import pytest

from llmbench.process import allow_many_connections, interrupted_by_signals


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    before = signal.getsignal(request.param)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_interrupts_once(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)
    with interrupted_by_signals():
        with pytest.raises(KeyboardInterrupt, match=number.name):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # cleaning up is under way
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_in_a_destructor_is_not_lost(number: signal.Signals) -> None:
    class Struck:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    signal.signal(number, signal.SIG_DFL)
    with interrupted_by_signals(), pytest.raises(KeyboardInterrupt, match=number.name):
        del [Struck()][0]
        signal.pause()  # until it comes again


def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with interrupted_by_signals():
        os.kill(os.getpid(), number)


def test_a_handler_is_put_back(number: signal.Signals) -> None:
    came = []
    mine = lambda number, frame: came.append(number)  # noqa: E731
    signal.signal(number, mine)
    with interrupted_by_signals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)
    assert came == [number]


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
