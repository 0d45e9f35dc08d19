"""The ``remote`` kind: a server that somebody else runs; it is asked before it is measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from llmbench.access import check_url
from llmbench.clock import Clock
from llmbench.config import ModelConfig, RemoteServer
from llmbench.records import Endpoint, Launch, ResourceSample
from llmbench.servers.readiness.waiting import endpoint_of, wait_until_ready
from llmbench.servers.running import LaunchError, RunningServer


class Remote:
    """A `RunningServer` about which only the address is known."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def died(self) -> str | None:
        return None

    def cpu_ns(self) -> int | None:
        return None

    def sample(self) -> ResourceSample | None:
        return None

    def pause(self) -> bool:
        return False

    def resume(self) -> None:
        return


class _Url:
    """What readiness watches: a URL, about which only the answers can be known."""

    def __init__(self, name: str) -> None:
        self._name = name

    def failure(self) -> LaunchError | None:
        return None

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        return LaunchError(self._name, state, exit_code=code, hint=hint)


@contextmanager
def launch_remote(config: ModelConfig, server: RemoteServer) -> Iterator[RunningServer]:
    """The server at the configuration's URL; the context opens once it has answered."""
    check_url(server.url, "server.url")
    url = server.url.rstrip("/")
    clock = Clock()
    started_ns = clock.monotonic_ns()
    deadline = time.monotonic() + server.start_timeout_s
    ready = wait_until_ready(config, url, started_ns, deadline, _Url(config.name), patient=False)
    launch = Launch(
        kind="remote",
        started_ns=clock.to_unix_ns(started_ns),
        healthy_s=ready.healthy_s,
        first_token_s=ready.first_token_s,
        server_info=ready.server_info,
    )
    yield Remote(endpoint_of(config, url, launch, ready))
