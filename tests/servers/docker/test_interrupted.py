"""An interrupted call of the Docker SDK may hold its pool's lock: nothing waits for that."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound

from llmbench.servers.docker import container, creating
from llmbench.servers.docker.engine import NoEngine

ANY: Any = SimpleNamespace(name="m")


def client(asked: Callable[[str], Any]) -> Any:
    """A client whose containers are looked up by `asked`, and whose creations are interrupted."""

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt("SIGTERM")

    return SimpleNamespace(
        api=SimpleNamespace(create_container=interrupted),
        containers=SimpleNamespace(get=asked),
        close=lambda: pytest.fail("closing waits for the lock"),
    )


def missing(name: str) -> None:
    raise NotFound(f"no {name}")


@pytest.fixture(autouse=True)
def _nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "_create_arguments", lambda *_: {})
    monkeypatch.setattr(creating, "owner", lambda *_: {})


def test_a_new_client_removes_what_an_interrupted_one_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locked = client(lambda _: pytest.fail("looking up waits for the lock"))
    monkeypatch.setattr(creating, "connect", lambda: client(missing))
    with (
        pytest.raises(KeyboardInterrupt),
        creating.created(locked, ANY, ANY, ANY, "session", print),
    ):
        pass


def test_an_interruption_stays_one_though_the_engine_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone() -> None:
        raise NoEngine("no engine")

    monkeypatch.setattr(creating, "connect", gone)
    with (
        pytest.raises(KeyboardInterrupt),
        creating.created(client(missing), ANY, ANY, ANY, "session", print),
    ):
        pass


def test_an_interrupted_client_is_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "connect", lambda: client(missing))
    with pytest.raises(KeyboardInterrupt), container._engine():
        raise KeyboardInterrupt
