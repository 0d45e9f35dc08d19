"""Holds the one model server that runs, and replaces it when another one is wanted."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from llmbench.access import unverified
from llmbench.cells import Cell, Limits
from llmbench.config import ModelConfig, RemoteServer, SimulatedServer
from llmbench.gauges import GaugeSample
from llmbench.journal import WriteError
from llmbench.records import ResourceSample
from llmbench.servers import (
    OFTEN_S,
    GaugeWatch,
    LaunchError,
    Placement,
    RunningServer,
    Sampler,
    energy_meter,
    launch_instances,
    place_server,
)
from llmbench.store import RunDir
from llmbench.traffic import Cache, hang_ups_of

_Key = tuple[str, Limits, int | None, tuple[str, ...]]  # model, limits, slots, command


def computes_here(model: ModelConfig, placement: Placement) -> bool:
    """Whether this host's energy says something of the model: it runs here, and really."""
    remote = placement.elsewhere or isinstance(model.server, RemoteServer)
    return not remote and not isinstance(model.server, SimulatedServer)


class Observed:
    """What was seen of the server while one repeat of a cell ran."""

    def __init__(self) -> None:
        self.resources: list[ResourceSample] = []
        self.gauges: list[GaugeSample] = []


class Servers:
    """Holds the one server that runs, and replaces it when another one is wanted."""

    def __init__(self, run_dir: RunDir, say: Callable[[str], None], *, seed: int = 1) -> None:
        self.placement = Placement((), ())
        # texts sent to the server that runs; those kept out of its prefix cache don't count with it
        self.seen_prompts: defaultdict[Cache | None, set[str]] = defaultdict(set)
        self.launch = 0  # how many times the server wanted last was launched before it
        self._run_dir, self._say = run_dir, say
        self._session, self._seed = uuid.uuid4().hex, seed
        self._stack = ExitStack()
        self._key: _Key | None = None
        self._server: RunningServer | None = None
        self._sampler: Sampler | None = None
        self._gauges: GaugeWatch | None = None
        self._watched = Observed()  # of the repeat that is under way
        self._launches: Counter[_Key] = Counter()
        self._failed: dict[_Key, LaunchError] = {}

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def get(
        self, model: ModelConfig, limits: Limits, slots: int | None, *, workers: int = 1
    ) -> RunningServer:
        """The server of `model` under `limits`: the running one, or else a new one.

        One that runs with another number of slots is replaced. A new one leaves cores to `workers`
        load generating processes.

        A start that failed is not tried again in this session; its `LaunchError` is raised anew.
        """
        key = (model.name, limits, slots, tuple(getattr(model.server, "command", ())))
        if key in self._failed:
            raise self._failed[key]
        if self._server is None or self._key != key or self._server.died() is not None:
            self.close()
            self.launch = self._launches[key]
            self._launches[key] += 1
            try:
                self._launch(model, limits, slots, workers)
            except LaunchError as error:
                self._failed[key] = error
                raise
            self._key = key
        assert self._server is not None
        return self._server

    @contextmanager
    def watched(self, cell: Cell, repeat: int) -> Iterator[Observed]:
        """Let what is seen of the server belong to that repeat of that cell while it is open.

        What it gives holds all of that when it is closed. Its gauges are read about once a second,
        and more often where they have to show what becomes of requests that were hung up.
        """
        watched = self._watched = Observed()
        with ExitStack() as stack:
            if self._gauges is not None:
                cores = self.placement.client
                period_s = OFTEN_S if hang_ups_of(cell.traffic) else None
                stack.enter_context(self._gauges.during(cell.id, repeat, cores, period_s=period_s))
            if self._sampler is not None:
                self._sampler.tag(cell.id, repeat)
                stack.callback(self._sampler.tag, None, None)
            yield watched

    @property
    def server_cpu_ns(self) -> tuple[tuple[int, int], ...]:
        """(instant, CPU time of the server until then) of the repeat that was tagged last."""
        return () if self._sampler is None else self._sampler.readings

    def twin(self) -> "Servers":
        """Servers of the same session beside these, for one that takes turns with the one here."""
        twin = Servers(self._run_dir, self._say, seed=self._seed)
        twin._failed = self._failed
        return twin

    def pause(self) -> bool:
        """Stop the server from using anything until `resume`; False where that can't be done."""
        return self._server is not None and self._server.pause()

    def resume(self) -> None:
        """Let the server run again."""
        if self._server is not None:
            self._server.resume()

    def close(self) -> None:
        """Stop sampling, and then stop the server."""
        self.resume()
        self._stack.close()
        self._server = self._sampler = self._gauges = self._key = None
        self.seen_prompts.clear()

    def _launch(self, model: ModelConfig, limits: Limits, slots: int | None, workers: int) -> None:
        placements = place_server(model, limits, workers=workers)
        self.placement = placements[0]
        if self.placement.note:
            self._say(f"{model.name}: {self.placement.note}")
        if note := unverified(model):
            self._say(note)
        meter = energy_meter(self._say) if computes_here(model, self.placement) else None
        with ExitStack() as stack:
            server = stack.enter_context(
                launch_instances(
                    model,
                    limits,
                    log_dir=self._run_dir.logs,
                    placements=placements,
                    session=self._session,
                    slots=slots,
                    say=self._say,
                    seed=self._seed,
                    number=self.launch,
                )
            )
            sampler = Sampler(server, self._keep, meter=meter)
            stack.callback(sampler.stop)
            gauges = GaugeWatch(model.name, server.endpoint.replicas, self._keep_gauges)
            stack.callback(gauges.close)
            self._stack = stack.pop_all()
        self._server, self._sampler, self._gauges = server, sampler, gauges
        spare = server.endpoint.launch.unused_instructions
        if spare:
            self._say(
                f"{model.name}: the processor has {', '.join(spare)}, which the engine doesn't say "
                "it uses: a build of it for this processor may be faster"
            )
        for field in server.endpoint.left_out:
            self._say(
                f"{model.name}: the server refuses {field.name}: left out; {field.consequence}"
            )

    def _keep(self, sample: ResourceSample) -> None:
        """Write a sample down; if the disk is full, the load's own records end the load."""
        with suppress(WriteError):
            self._run_dir.append_samples([sample])
        if sample.cell is not None:
            self._watched.resources.append(sample)

    def _keep_gauges(self, sample: GaugeSample) -> None:
        with suppress(WriteError):
            self._run_dir.append_gauges(sample)
        self._watched.gauges.append(sample)
