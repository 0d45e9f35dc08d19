"""Lets streams send what the simulated engine brings them, at its steps, in real time."""

from time import monotonic_ns

from llmbench.config import SimulatedServer
from llmbench.simulator.scheduling.engine_model import EngineModel, Sequence
from llmbench.simulator.scheduling.prefix_cache import prefix_cache
from llmbench.simulator.scheduling.schedule import Scheduler, Stream, schedule
from llmbench.simulator.truth import Occupancy
from llmbench.value_types import EngineSteps


class Stepped:
    """Drives an `EngineModel` by the monotonic clock; its deadlines are absolute."""

    def __init__(self, config: SimulatedServer, steps: EngineSteps, seed: int) -> None:
        self._cache = prefix_cache(config.prefix_cache)
        self.engine = EngineModel(steps, jitter=config.jitter, seed=seed, cache=self._cache)
        self.occupancy = Occupancy()
        self._streams: dict[Sequence, Stream] = {}

    @property
    def running(self) -> int:
        """The number of sequences that have begun and not ended."""
        return len(self.engine.running)

    @property
    def waiting(self) -> int:
        """The number of sequences that wait for their prompt to be taken."""
        return len(self.engine.waiting)

    @property
    def preemptions(self) -> int:
        """How often a sequence gave its memory back."""
        return self.engine.preemptions

    def admit(self, stream: Stream, received_ns: int) -> None:
        """Let the engine have a request."""
        sequence = Sequence(stream.prompt_tokens, max(1, stream.tokens), stream.sizes, stream.keys)
        self._streams[sequence] = stream
        self.engine.submit(sequence, received_ns)
        self._changed()

    def tick(self) -> int | None:
        """End the steps that are due, send what they brought, and return the next deadline."""
        engine = self.engine
        while (due_ns := engine.due_ns) is not None and due_ns <= monotonic_ns():
            for sequence, _ in engine.end_step():
                self._send(sequence, due_ns)
            self._changed()
        return engine.due_ns

    def _changed(self) -> None:
        self.occupancy.changed(self.running, self.waiting, self.engine.held_tokens)

    def _send(self, sequence: Sequence, due_ns: int) -> None:
        """Let a stream write, if it has all that leaves with its next write."""
        stream = self._streams[sequence]
        first = sequence.place == 1
        if first and sequence.started_ns is not None:
            cached = None if self._cache is None else sequence.cached
            stream.started(sequence.started_ns, due_ns, cached)
        gathered = not stream.held and (sequence.place - 1) % stream.step == stream.step - 1
        if not (gathered or sequence.is_done):
            return
        if stream.emit(due_ns, monotonic_ns()):
            self._streams.pop(sequence)
            if not sequence.is_done:
                self.engine.drop(sequence)  # nobody reads it, or a fault ends it early


def scheduler(config: SimulatedServer, seed: int) -> Scheduler:
    """The engine whose steps are configured, else the schedule that ``server.batching`` names."""
    return schedule(config, seed) if config.steps is None else Stepped(config, config.steps, seed)
