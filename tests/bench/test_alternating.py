"""Two servers in turns: how many rounds there are, in which order, and who is paused."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from llmbench.bench import alternating
from llmbench.bench.alternating import ROUNDS_ON_GPUS, Alternation, Turns, turns_of
from llmbench.cells import Cell, Users
from llmbench.config import CommandServer, DockerServer, ModelConfig, Server, SimulatedServer

A, B = (Cell(name, 16, 8, Users(1)) for name in "ab")


def model(server: Server) -> ModelConfig:
    return ModelConfig("m", "M", "m", "openai-completions", "none", server)


SIMULATED = model(SimulatedServer())
ON_GPUS = model(DockerServer("engine:1", (), 80, gpus=2))


class Recorder:
    """Servers that note what was asked of them, in a list that both sides share."""

    def __init__(self, events: list[str], name: str = "a", *, pausable: bool = True) -> None:
        self.events, self._name, self._pausable = events, name, pausable

    def twin(self) -> "Recorder":
        return Recorder(self.events, "b", pausable=self._pausable)

    def pause(self) -> bool:
        self.events.append(f"pause {self._name}")
        return self._pausable

    def resume(self) -> None:
        self.events.append(f"resume {self._name}")

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exc: object) -> None:
        self.events.append(f"close {self._name}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs turns of blocks that each take 2 s of load; gives what came of them."""
    monkeypatch.setattr(alternating, "SETTLE_S", 0.0)

    def turns(turns: Turns, settled_after: int = 1000, *, pausable: bool = True) -> Any:
        events: list[str] = []
        servers: Any = Recorder(events, pausable=pausable)

        def block(cell: Cell, repeat: int, servers: Any) -> Any:
            events.append(f"load {cell.model} {repeat}")
            timed = SimpleNamespace(started_ns=0, ended_ns=2_000_000_000)
            return SimpleNamespace(run=timed, result=cell.shape)

        made = Alternation(servers, block, turns, seed=1)
        how = made.run([(A, B)], lambda results, share: len(results[A.id]) >= settled_after)
        return SimpleNamespace(how=how, events=events, results=made.results)

    return turns


def test_the_server_without_load_is_paused(run: Callable[..., Any]) -> None:
    done = run(Turns(2, 2, 300.0))
    assert done.events == [
        *("resume a", "load a 1", "pause a", "resume b", "load b 1", "pause b"),
        *("resume b", "load b 2", "pause b", "resume a", "load a 2", "pause a"),
        *("close b", "resume a"),
    ]
    assert done.how.notes[1] == "the server without load was paused"


def test_a_server_that_cannot_be_paused_is_told(run: Callable[..., Any]) -> None:
    done = run(Turns(2, 2, 300.0), pausable=False)
    told = "a and b can't be paused: each stayed up beside the other, without load"
    assert done.how.notes[1] == told


def test_of_servers_on_gpus_one_is_up_at_a_time(run: Callable[..., Any]) -> None:
    done = run(Turns(2, 2, 300.0, together=False))
    assert "pause a" not in done.events
    assert "launched anew for its block" in done.how.notes[1]


def test_rounds_go_on_until_no_further_one_fits_into_the_limit(run: Callable[..., Any]) -> None:
    how = run(Turns(1, None, 18.0)).how
    assert (how.rounds, how.load_s, how.share) == (4, 16.0, 1.0)
    assert how.notes[0] == (
        "4 rounds of A B, B A by seed 1, 16 s of load: no further round fits into the limit of "
        "18 s (--llm-ab-time)"
    )


def test_rounds_end_when_all_is_settled(run: Callable[..., Any]) -> None:
    how = run(Turns(1, None, 16.0), settled_after=2).how
    assert (how.rounds, how.share) == (2, 0.5)
    assert how.notes[0].endswith("by then every figure was decided")


def test_a_given_number_of_rounds_is_looked_at_once(run: Callable[..., Any]) -> None:
    how = run(Turns(3, 3, 300.0), settled_after=1).how
    assert (how.rounds, how.share) == (3, None)


def test_looks_begin_after_the_fewest_rounds(run: Callable[..., Any]) -> None:
    how = run(Turns(4, 10, 300.0), settled_after=1).how
    assert (how.rounds, how.share) == (4, 0.4)


def test_a_block_by_time_has_two_seconds_of_load(run: Callable[..., Any]) -> None:
    assert run(Turns(1, None, 4.0)).results[A.id] == [Users(1, None, 2.0)]
    assert run(Turns(1, 1, 4.0)).results[A.id] == [Users(1)]


def test_several_repeats_are_so_many_rounds_and_else_time_is_the_limit() -> None:
    assert turns_of([SIMULATED] * 2, (1, 1), 300.0) == Turns(1, None, 300.0)
    assert turns_of([SIMULATED] * 2, (4, 12), 300.0) == Turns(4, 12, 300.0)


def test_servers_on_gpus_have_a_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Turns(ROUNDS_ON_GPUS, ROUNDS_ON_GPUS, 300.0, together=False)
    assert turns_of([SIMULATED, ON_GPUS], (1, 1), 300.0) == few
    command = model(CommandServer(("vllm", "{port}")))
    assert turns_of([command], (1, 1), 300.0).together
    monkeypatch.setattr(alternating, "gpu_models", lambda: ["H100"])
    assert turns_of([command], (1, 1), 300.0) == few
