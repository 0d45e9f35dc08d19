"""Watches a container: keeps its log on disk and says whether it still runs or how it ended."""

import math
import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.cells import format_bytes
from llmbench.servers.running import LaunchError, hint_of, tail

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

KILLED = 137
"""The exit code that Docker gives to a process ended by SIGKILL: 128 and the signal's number."""

CONTAINER_HINTS = (
    (
        r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError",
        "the GPU's memory is too "
        "small: use more GPUs (shards), a quantised model, or a shorter context",
    ),
    (
        r"GatedRepoError|gated repo|401 Client Error|403 Client Error|HF_TOKEN|awaiting a review",
        "the weights are gated: accept their licence on the hub and set the variable that "
        "server.environment names (HF_TOKEN)",
    ),
    (
        r"could not select device driver|nvidia-container-cli|unknown or invalid runtime",
        "the engine can't use GPUs: install the NVIDIA container toolkit",
    ),
    (r"no space left on device", "free disk space for the engine, or give shm a larger size"),
    (r"bus error|shared memory|/dev/shm", "raise server.shm in the model's TOML"),
    (r"Requested CPUs are not available", "ask for fewer cores"),
    (
        r"executable file not found|exec format error",
        "check server.command and server.entrypoint; is the image made for this kind of processor?",
    ),
    (
        r"unrecognized arguments|invalid argument|unknown argument|unexpected argument",
        "the image does not know a flag: check server.command against the image's version",
    ),
)
"""Patterns of a container's last log lines with hints; the hint of the first match is shown."""


class Ending(Struct, frozen=True):
    """How a container ended, or what happened to one that still runs."""

    reason: str
    exit_code: int | None = None
    oom: bool = False


def ending(state: dict[str, Any], actions: Iterable[str], memory: int | None) -> Ending | None:
    """The end that a container's inspected `state` and its events' `actions` show; None: it runs.

    It ran out of memory if the engine says so, if an ``oom`` event came, or if SIGKILL ended it
    without anybody asking the engine for that (kernels from 4.19 on and older engines lose the
    flag).
    """
    seen = set(actions)
    limit = "" if memory is None else f" (limit {format_bytes(memory)})"
    oom = bool(state.get("OOMKilled")) or "oom" in seen
    if state.get("Running"):
        if not oom:
            return None
        return Ending(f"out of memory{limit}: the kernel killed a process in it", oom=True)
    code = state.get("ExitCode")
    if oom or (code == KILLED and "kill" not in seen):
        return Ending(f"out of memory{limit}: the kernel killed it", code, oom=True)
    if "kill" in seen:
        return Ending("stopped from outside (docker kill, stop or rm)", code)
    if state.get("Error"):
        return Ending(f"could not run: {state['Error']}", code)
    return Ending(f"ended by itself ({state.get('Status', 'exited')})", code)


class EngineClock:
    """The time by the engine's own clock, which may be far from ours on another host.

    It is asked for seldom, as the engine takes milliseconds to describe itself.
    """

    ASK_AGAIN_S = 60.0

    def __init__(self, client: "DockerClient") -> None:
        self._client = client
        self._asked = -math.inf
        self._engine_s = 0.0

    def now_s(self) -> float:
        """The Unix time on the engine's host: never less, and more by a round trip at most."""
        if time.monotonic() - self._asked > self.ASK_AGAIN_S:
            self._asked = time.monotonic()
            told = self._client.info().get("SystemTime")
            self._engine_s = unix_s(told) if told else time.time()
        return self._engine_s + time.monotonic() - self._asked


def unix_s(told: str) -> float:
    """A time that the engine told, as Unix seconds."""
    return datetime.fromisoformat(told).timestamp()


class Watch:
    """Follows one container; readiness waits for it through `failure` and `error`."""

    def __init__(
        self, container: "Container", name: str, log_file: Path, memory: int | None
    ) -> None:
        self._container = container
        self._name = name
        self._memory = memory
        client = container.client
        assert client is not None
        self._clock = EngineClock(client)
        self.log_file = log_file
        self._log = _follow(container, log_file)

    def ending(self) -> Ending | None:
        """How the container ended, or was hurt; None while it runs as it should."""
        import requests
        from docker.errors import APIError, NotFound

        try:
            self._container.reload()
            end = self._now()
            if end is not None and end.oom:  # the engine reports the kill before the end
                with suppress(requests.RequestException):
                    self._container.wait(timeout=1)
                self._container.reload()
                end = self._now()
            return end
        except NotFound:
            return Ending("removed from outside")
        except (APIError, requests.RequestException) as error:
            return Ending(f"the Docker Engine no longer answers: {error}")

    def pause(self) -> bool:
        """Freeze the container; False where the engine can't."""
        import requests
        from docker.errors import APIError

        try:
            self._container.pause()
        except (APIError, requests.RequestException):
            return False
        return True

    def resume(self) -> None:
        """Let a frozen container run; one that isn't frozen, or is gone, is left as it is."""
        import requests
        from docker.errors import APIError

        with suppress(APIError, requests.RequestException):
            self._container.unpause()

    def _now(self) -> Ending | None:
        return ending(self._container.attrs["State"], self._actions(), self._memory)

    def failure(self) -> LaunchError | None:
        """The container's end as an error with log lines and a hint; None while it runs."""
        end = self.ending()
        if end is None:
            return None
        self.join_log()
        hint = "give it more memory (server.memory, --llm-memory), or fewer slots, less context"
        return self.error(f"container {end.reason}", end.exit_code, hint if end.oom else None)

    def error(self, state: str, code: int | None = None, hint: str | None = None) -> LaunchError:
        """An error that says `state` and shows the last lines of the container's log."""
        lines = tail(self.log_file)
        hint = hint or container_hint("\n".join((state, *lines)))
        return LaunchError(
            self._name, state, exit_code=code, log_tail=lines, log_file=self.log_file, hint=hint
        )

    def join_log(self, timeout_s: float = 5.0) -> None:
        """Wait until the log of a container that ended is on disk."""
        self._log.join(timeout_s)

    def _actions(self) -> list[str]:
        """The events of the container so far: oom, kill, die, …"""
        client: Any = self._container.client
        events = client.events(
            since=f"{unix_s(self._container.attrs['Created']):.6f}",
            until=f"{self._clock.now_s():.9f}",  # no later, as the engine waits until then
            filters={"type": "container", "container": self._container.id},
            decode=True,
        )
        return [str(event.get("Action", "")) for event in events]


def container_hint(text: str) -> str | None:
    """The hint for a log that holds `text`; None where no pattern matches."""
    for pattern, hint in CONTAINER_HINTS:
        if re.search(pattern, text, re.IGNORECASE):
            return hint
    return hint_of(text)


def _follow(container: "Container", log_file: Path) -> threading.Thread:
    """Copy the container's output to `log_file` until it ends, in a thread that is returned."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    # opened here so that the launch fails where the folder can't be written to
    sink = log_file.open("ab", buffering=0)

    def copy() -> None:
        import requests
        from docker.errors import DockerException

        with sink:
            try:
                for chunk in container.logs(stream=True, follow=True):
                    sink.write(chunk)
            except (DockerException, requests.RequestException, OSError) as error:
                sink.write(f"llmbench: the log stops here: {error}\n".encode())

    thread = threading.Thread(target=copy, name=f"llmbench-log-{container.name}", daemon=True)
    thread.start()
    return thread
