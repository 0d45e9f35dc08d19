"""Waits until a server has really generated a token, or says what is wrong with it.

A server is ready once it has answered the request that will be measured: the health endpoints of
some engines answer before the model does (vLLM, Triton), and remote servers may have none.
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import httpx
from msgspec import Struct

from llmbench.access import UNTRUSTED_HINT
from llmbench.config import ModelConfig
from llmbench.records import Endpoint, Launch
from llmbench.servers.readiness.accepted_fields import Taken, try_request
from llmbench.servers.readiness.http import http_client
from llmbench.servers.readiness.probe import NotYet, Refused, is_healthy
from llmbench.servers.readiness.self_description import server_info
from llmbench.servers.running import LaunchError
from llmbench.simulator import SERVER

POLL_S = 0.05
INFO_S = 20.0
"""The time for all the pages on which a server describes itself."""
HEALTH = {"ollama": "/api/version", "triton": "/v2/health/ready"}
"""The paths that say whether a server is up, for the dialects where it isn't ``/health``."""

T = TypeVar("T")


class Ready(Struct, frozen=True):
    """How long a server took to start, which request it accepts, and what it says about itself.

    `healthy_s` is None where the server has no health endpoint.
    """

    healthy_s: float | None
    first_token_s: float
    taken: Taken
    server_info: dict[str, str | int | float | bool | None] = {}


class Watched(Protocol):
    """The thing that is waited for: a child process, a container or a URL."""

    def failure(self) -> LaunchError | None:
        """How the server ended; None while it may still become ready."""

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        """An error that says `state` and all that is known about the server."""


class Wait(Struct, frozen=True):
    """The bounds of one wait; `deadline` is on `time.monotonic`.

    Without `patient` (for a server that somebody else runs) a failed connection is an error at
    once.
    """

    url: str
    watched: Watched
    deadline: float
    patient: bool = True

    def for_(self, step: Callable[[], T]) -> T:
        """The result of `step`, which is repeated while it says `NotYet` and time is left."""
        while True:
            try:
                return step()
            except Refused as refused:
                raise self.watched.error(f"{self.url}{refused}", hint=refused.hint) from None
            except (NotYet, httpx.TransportError) as error:
                if not self.patient and not isinstance(error, NotYet):
                    raise self._unreachable(error) from error
                reason = str(error) or type(error).__name__
            failure = self.watched.failure()
            if failure is not None:
                raise failure
            if time.monotonic() > self.deadline:
                raise self.watched.error(
                    f"{self.url}: not ready in time (start_timeout_s): {reason}",
                    hint="raise server.start_timeout_s in the model's TOML, or read its log",
                )
            time.sleep(POLL_S)

    def _unreachable(self, error: Exception) -> LaunchError:
        if isinstance(error, httpx.ConnectTimeout):
            return self.watched.error(
                f"{self.url}: no connection in time", hint="check host, port and firewall"
            )
        if isinstance(error, httpx.TimeoutException):
            return self.watched.error(
                f"{self.url}: connected, but no answer in time (start_timeout_s)",
                hint="is the model still loading? raise server.start_timeout_s, or look there",
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return self.watched.error(
                f"{self.url}: its TLS certificate isn't trusted: {error}",
                hint=UNTRUSTED_HINT,
            )
        if not isinstance(error, httpx.ConnectError):
            return self.watched.error(
                f"{self.url}: the connection broke: {str(error) or type(error).__name__}",
                hint="it crashed, or it doesn't speak HTTP here: look at its log",
            )
        return self.watched.error(
            f"{self.url}: can't connect: {error}",
            hint="start the server, or correct the URL (--llm-url, server.url)",
        )


def wait_until_ready(
    config: ModelConfig,
    url: str,
    started_ns: int,
    deadline: float,
    watched: Watched,
    *,
    health: str | None = None,
    patient: bool = True,
) -> Ready:
    """Poll the server at `url` until it has answered the request that will be measured.

    Durations count from `started_ns` (monotonic). A `LaunchError` says what is wrong.
    """

    def since_start() -> float:
        return (time.monotonic_ns() - started_ns) / 1e9

    wait = Wait(url, watched, deadline, patient)
    path = health or HEALTH.get(config.api, "/health")
    with http_client(url, config.client, max(deadline - time.monotonic(), 1.0)) as http:
        healthy = wait.for_(lambda: is_healthy(http, path, patient))
        healthy_s = since_start() if healthy else None
        taken = wait.for_(lambda: try_request(http, config))
    with http_client(url, config.client, INFO_S) as http:
        first_token_s = taken.first_token_at_s - started_ns / 1e9
        return Ready(healthy_s, first_token_s, taken, server_info(http))


def endpoint_of(config: ModelConfig, url: str, launch: Launch, ready: Ready) -> Endpoint:
    """The server of `config` at `url`, with the request in the form that it accepts."""
    return Endpoint(
        base_url=url,
        api=config.api,
        model=config.model,
        simulated=config.simulated or ready.server_info.get("http.server") == SERVER,
        launch=launch,
        client=config.client,
        request=ready.taken.fields,
        left_out=ready.taken.left_out,
        closes_connections=ready.taken.closes_connections,
    )
