import time

import httpx
import pytest

from llmbench.servers.readiness.probe import NotYet, Refused
from llmbench.servers.readiness.waiting import Wait
from llmbench.servers.running import LaunchError

SOON = 3600.0


class Watched:
    """A server that ends after so many looks at it."""

    def __init__(self, looks: int | None = None) -> None:
        self._looks = looks

    def failure(self) -> LaunchError | None:
        if self._looks is None:
            return None
        self._looks -= 1
        return self.error("it ended", 7) if self._looks <= 0 else None

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        return LaunchError("tiny", state, exit_code=code, hint=hint)


class Step:
    """Raises what it was given, one after the other, then returns 42."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def __call__(self) -> int:
        if self._errors:
            raise self._errors.pop(0)
        return 42


def wait(watched: Watched, *, left_s: float = SOON, patient: bool = True) -> Wait:
    return Wait("http://x", watched, time.monotonic() + left_s, patient)


def test_a_server_that_loads_is_waited_for() -> None:
    step = Step(httpx.ConnectError("refused"), NotYet("/health answers 503: Loading model"))
    assert wait(Watched()).for_(step) == 42


def test_the_wait_ends_when_the_server_does() -> None:
    errors = [NotYet("loading")] * 10
    with pytest.raises(LaunchError, match="it ended") as caught:
        wait(Watched(looks=2)).for_(Step(*errors))
    assert caught.value.exit_code == 7


def test_the_wait_ends_at_its_deadline_and_says_what_it_saw() -> None:
    with pytest.raises(LaunchError) as caught:
        wait(Watched(), left_s=-1).for_(Step(NotYet("/health answers 503: Loading model")))
    assert str(caught.value) == (
        "tiny: http://x: not ready in time (start_timeout_s): /health answers 503: Loading model\n"
        "  hint: raise server.start_timeout_s in the model's TOML, or read its log"
    )


def test_a_refusal_ends_the_wait_at_once() -> None:
    with pytest.raises(LaunchError) as caught:
        wait(Watched()).for_(Step(Refused("/v1/completions answers 404: x", "check the URL")))
    assert caught.value.state == "http://x/v1/completions answers 404: x"
    assert caught.value.hint == "check the URL"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (httpx.ConnectTimeout("x"), "http://x: no connection in time"),
        (
            httpx.ReadTimeout("x"),
            "http://x: connected, but no answer in time (start_timeout_s)",
        ),
        (httpx.ConnectError("refused"), "http://x: can't connect: refused"),
        (httpx.RemoteProtocolError(""), "http://x: the connection broke: RemoteProtocolError"),
    ],
)
def test_somebody_elses_server_is_not_waited_for(error: Exception, state: str) -> None:
    with pytest.raises(LaunchError) as caught:
        wait(Watched(), patient=False).for_(Step(error))
    assert caught.value.state == state
    assert caught.value.hint is not None


def test_but_it_may_still_be_loading() -> None:
    assert wait(Watched(), patient=False).for_(Step(NotYet("answers 503"))) == 42
