"""Runs whose server is a simulated engine in virtual time, so that the truth of a fit is known."""

from itertools import product
from pathlib import Path
from random import Random

from msgspec import structs

from llmbench.cells import Cell, Users
from llmbench.journal import Journal
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord
from llmbench.simulator import EngineModel, Sequence, VirtualTime
from llmbench.store import RunDir, RunInfo
from llmbench.twin.playing import BETWEEN_MS, ClosedLoad
from llmbench.value_types import EngineSteps
from tests.metrics.making import START_NS, request

GRID = tuple(ClosedLoad(*cell, requests=4) for cell in product((32, 128), (16, 64), (1, 2, 4, 8)))


class VirtualUsers:
    """The users of a closed loop on an engine with true costs, as a benchmark records them.

    With `hand_over_ms` they come in turn: each answer takes so long to be handed over, and the next
    request comes three times as long after it and later by chance.
    """

    def __init__(
        self,
        steps: EngineSteps,
        load: ClosedLoad,
        *,
        jitter: float,
        seed: int,
        hand_over_ms: float = 0.0,
    ) -> None:
        self._load, self._hand_over_ms = load, hand_over_ms
        self._random = Random(seed)
        self._answers: list[int] = []  # when each was complete
        engine = EngineModel(steps, jitter=jitter, seed=seed, hand_over_ms=hand_over_ms)
        self._time = VirtualTime(engine, self._brought)
        self._users: dict[Sequence, tuple[int, int]] = {}
        self._records: list[RequestRecord] = []

    def records(self) -> list[RequestRecord]:
        for user in range(self._load.users):
            self._ask(user, 1)
        self._time.run()
        return self._records

    def _ask(self, user: int, number: int) -> None:
        sequence = Sequence(self._load.input_tokens, self._load.output_tokens)
        self._users[sequence] = user, number
        self._time.submit(sequence)

    def _brought(self, sequence: Sequence, _tokens: int) -> None:
        if not sequence.is_done:
            return
        (user, number), load = self._users.pop(sequence), self._load
        assert sequence.first_ns is not None
        ttft_ms = (sequence.first_ns - sequence.submitted_ns) / 1e6
        gaps = max(1, load.output_tokens - 1)
        record = request(
            sequence.submitted_ns / 1e6,
            ttft_ms=ttft_ms,
            tokens=load.output_tokens,
            gap_ms=(self._time.now_ns - sequence.first_ns) / 1e6 / gaps,
            user=user,
            request=number,
            phase="warmup" if number <= load.warmups else "measured",
            input_tokens=load.input_tokens,
            prompt_tokens=load.input_tokens,
        )
        self._records.append(record)
        if number < load.warmups + load.requests:
            between_ns = round(self._between_ms() * 1e6)
            self._time.at(self._time.now_ns + between_ns, lambda: self._ask(user, number + 1))

    def _between_ms(self) -> float:
        if not self._hand_over_ms:
            return BETWEEN_MS
        turn = self._answers.count(self._time.now_ns)
        self._answers.append(self._time.now_ns)
        return self._hand_over_ms * (turn + 3 + 0.5 * self._random.expovariate(1.0))


def cell_of(load: ClosedLoad) -> Cell:
    return Cell("m", load.input_tokens, load.output_tokens, Users(load.users, load.requests))


def cell_run_of(load: ClosedLoad, repeat: int = 1, slots: int | None = None) -> CellRun:
    """A repeat of a cell; an engine that tells its slots is llama.cpp's."""
    cell = cell_of(load)
    launch = Launch("remote", 0, server_info={} if slots is None else {"props.total_slots": slots})
    endpoint = Endpoint(
        "http://127.0.0.1:1", "openai-completions", "m", simulated=True, launch=launch
    )
    return CellRun(cell, cell.id, repeat, START_NS, START_NS, endpoint, 0, "sha")


def virtual_run(
    path: Path,
    steps: EngineSteps,
    loads: tuple[ClosedLoad, ...] = GRID,
    *,
    jitter: float = 0.0,
    repeats: int = 1,
    hand_over_ms: float = 0.0,
    slots: int | None = None,
) -> RunDir:
    """A run directory in which these cells were measured."""
    run = RunDir.create_at(path)
    info = RunInfo(START_NS, (), 0, "", 0, None, None, {}, {}, ())
    run.write_info(info)
    for load, repeat in product(loads, range(1, repeats + 1)):
        one = cell_run_of(load, repeat, slots)
        run.append_cell_run(one)
        seed = hash((load.users, repeat))
        users = VirtualUsers(steps, load, jitter=jitter, seed=seed, hand_over_ms=hand_over_ms)
        with Journal(run.journal_file(one.cell_id, repeat)) as journal:
            for record in users.records():
                journal.append(structs.replace(record, cell=one.cell_id, repeat=repeat))
    return run
