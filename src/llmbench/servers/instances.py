"""Several instances of one server that share a load, as if they were one server."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from msgspec import structs

from llmbench.cells import Limits
from llmbench.config import ModelConfig, RemoteServer
from llmbench.records import Endpoint, ResourceSample
from llmbench.servers.launching import launch
from llmbench.servers.placement.placing import Placement
from llmbench.servers.running import RunningServer

MEANS = ("throttled_ns", "steal_ns", "cpu_mhz", "gpu_percent")
"""The fields of a sample of which instances have a mean; the others add up."""


class Instances:
    """A `RunningServer` of several; it has died if one of them has."""

    def __init__(self, name: str, servers: Sequence[RunningServer]) -> None:
        self._name, self._servers = name, servers
        first, *others = (server.endpoint for server in servers)
        self.endpoint: Endpoint = structs.replace(first, others=tuple(others))

    def died(self) -> str | None:
        for number, server in enumerate(self._servers, 1):
            why = server.died()
            if why is not None:
                return f"instance {number} of {len(self._servers)}: {why}"
        return None

    def cpu_ns(self) -> int | None:
        times = [server.cpu_ns() for server in self._servers]
        known = [time for time in times if time is not None]
        return sum(known) if len(known) == len(times) else None

    def sample(self) -> ResourceSample | None:
        samples = [server.sample() for server in self._servers]
        known = [sample for sample in samples if sample is not None]
        return total(self._name, known) if known and len(known) == len(samples) else None

    def pause(self) -> bool:
        paused = [server.pause() for server in self._servers]
        if not all(paused):
            self.resume()
        return all(paused)

    def resume(self) -> None:
        for server in self._servers:
            server.resume()


def total(name: str, samples: Sequence[ResourceSample]) -> ResourceSample:
    """What all instances use together; a field that one doesn't know is not known."""
    last = samples[-1]
    added: dict[str, Any] = {}
    for field in ResourceSample.__struct_fields__[4:]:  # those before say what was sampled when
        values = [getattr(sample, field) for sample in samples]
        if field == "gpus":
            added[field] = tuple(chain.from_iterable(values))
        elif None in values:
            added[field] = None
        else:
            added[field] = _mean(values) if field in MEANS else sum(values)
    return structs.replace(last, target=name, **added)


def _mean(values: Sequence[int | float]) -> int | float:
    mean = fmean(values)
    return round(mean) if all(isinstance(value, int) for value in values) else mean


@contextmanager
def launch_instances(
    config: ModelConfig,
    limits: Limits,
    *,
    log_dir: Path,
    placements: Sequence[Placement],
    session: str,
    slots: int | None = None,
    seed: int = 0,
    number: int = 0,
    say: Callable[[str], None] = print,
) -> Iterator[RunningServer]:
    """All instances of `config`'s server, each at its own placement; see `launch`.

    They are started one after another, and named after their number where there are several.
    """
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                launch(
                    one,
                    limits,
                    log_dir=log_dir,
                    cores=placement,
                    session=session,
                    slots=slots,
                    seed=seed,
                    number=number,
                    say=say,
                )
            )
            for one, placement in zip(numbered(config, len(placements)), placements, strict=True)
        ]
        yield servers[0] if len(servers) == 1 else Instances(config.name, servers)


def numbered(config: ModelConfig, count: int) -> list[ModelConfig]:
    """The configuration of each instance."""
    if count == 1:
        return [config]
    names = [f"{config.name}-{number}" for number in range(1, count + 1)]
    if not isinstance(config.server, RemoteServer):
        return [structs.replace(config, name=name) for name in names]
    urls = (config.server.url, *config.server.replicas)
    servers = [structs.replace(config.server, url=url, replicas=()) for url in urls]
    return [structs.replace(config, name=n, server=s) for n, s in zip(names, servers, strict=True)]
