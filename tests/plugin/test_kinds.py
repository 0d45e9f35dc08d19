"""Kinds of benchmarks: the cells that each makes of one model's grid."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.bench import Settings
from llmbench.cells import Trace
from llmbench.config import ConfigError, DockerServer, Grid, ModelConfig
from llmbench.plugin.kinds import KINDS, cells_of, kind_named
from llmbench.plugin.options import Options

GRID = Grid(
    input_tokens=(16, 32),
    output_tokens=(8,),
    users=(1, 2, 8),
    rates=(0.5, 2.0),
    cores=(1.0, 2.0),
    memory=("512m",),
)
MODEL = ModelConfig(
    name="tiny",
    title="Tiny",
    model="tiny",
    api="openai-completions",
    tokenizer="tokenizer.json",
    server=DockerServer(image="engine", command=(), port=80),
    grid=GRID,
)


def options(*, trace: str | None = None) -> Options:
    return Options(
        settings=Settings(runs_dir=Path("runs"), prompts_dir=Path("prompts")),
        command_line_grid=Grid(),
        ini_grid=Grid(),
        models_dir=Path("models"),
        traffic_dir=Path("models"),
        baselines_dir=Path("baselines"),
        remote=None,
        timeout_s=None,
        deal=None,
        ssh_tunnel=False,
        ab=None,
        trace=trace,
        baseline=None,
        save_baseline=None,
        tolerance=None,
        inconclusive="pass",
        host_allowance=None,
        openmetrics=None,
        launch_allowance=None,
        compare_anyway=False,
    )


CLOSED = [f"tiny-in{tokens}-out8-users{users}" for tokens in (16, 32) for users in (1, 2, 8)]


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("grid", CLOSED),
        ("ramp", ["tiny-in16-out8-ramp8", "tiny-in32-out8-ramp8"]),
        ("rate", [f"tiny-in{n}-out8-rate{rate:g}" for n in (16, 32) for rate in (0.5, 2)]),
        ("search", ["tiny-in16-out8-rate2", "tiny-in32-out8-rate2"]),
        (
            "sizing",
            [cell.replace("-", f"-cores{n}-mem512m-", 1) for n in (1, 2) for cell in CLOSED],
        ),
        ("cold", [f"tiny-cores{cores}-mem512m-in16-out8-cold" for cores in (1, 2)]),
        ("depth", [f"tiny-in{n}-out64-depth" for n in (128, 256, 512, 1024, 2048, 3968)]),
        ("ab", CLOSED),
        ("gate", CLOSED),
    ],
)
def test_a_kind_makes_its_cells(kind: str, ids: list[str]) -> None:
    assert [cell.id for cell in cells_of(KINDS[kind], MODEL, options())] == ids


def test_depths_are_those_asked_for_on_the_command_line() -> None:
    lengths = Grid(input_tokens=(100, 300), output_tokens=(16, 32))
    asked = structs.replace(options(), command_line_grid=lengths)
    cells = cells_of(KINDS["depth"], MODEL, asked)
    assert [cell.id for cell in cells] == ["tiny-in100-out16-depth", "tiny-in300-out16-depth"]


@pytest.mark.parametrize(
    ("context_tokens", "depths"),
    [(512, (128, 256, 384)), (2200, (128, 256, 512, 1024, 2048)), (200, (72,))],
)
def test_depths_end_where_the_context_does(context_tokens: int, depths: tuple[int, ...]) -> None:
    server = DockerServer(image="engine", command=(), port=80, context_tokens=context_tokens)
    cells = cells_of(KINDS["depth"], structs.replace(MODEL, server=server), options())
    assert tuple(cell.input_tokens for cell in cells) == depths


def test_a_trace_stands_for_the_rates() -> None:
    replayed = cells_of(KINDS["rate"], MODEL, options(trace="logs/azure.csv"))
    assert [cell.id for cell in replayed] == ["tiny-trace-azure"]
    assert len(cells_of(KINDS["search"], MODEL, options(trace="logs/azure.csv"))) == 2


def test_the_gate_comes_after_all_other_kinds() -> None:
    assert [k.name for k in sorted(KINDS.values(), key=lambda kind: kind.place)][-1] == "gate"
    assert {kind.name: kind.needs for kind in KINDS.values() if kind.needs} == {
        "ab": "ab",
        "gate": "baseline",
    }


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"here: unknown 'gird'; did you mean 'grid'\?"):
        kind_named("gird", "here")


def test_traffic_stands_in_the_place_of_lengths() -> None:
    folder = Path(__file__).parents[2] / "fixtures" / "traffic"
    asked = structs.replace(options(), traffic_dir=folder, ini_grid=Grid(traffic=("rag", "chat")))

    def ids(kind: str) -> list[str]:
        return [cell.id for cell in cells_of(KINDS[kind], MODEL, asked)]

    users = GRID.users or ()
    of_traffic = [f"tiny-{name}-users{n}" for name in ("rag", "chat") for n in users]
    assert ids("traffic") == of_traffic
    assert ids("ab") == of_traffic
    assert not set(ids("grid")) & set(of_traffic)
    assert ids("gate") == ids("grid") + of_traffic
    assert all(cell.startswith(("tiny-rag-rate", "tiny-chat-rate")) for cell in ids("rate"))


def test_the_benchmark_of_traffic_begins_with_chats() -> None:
    folder = Path(__file__).parents[2] / "fixtures" / "traffic"
    asked = structs.replace(options(), traffic_dir=folder)
    cells = cells_of(KINDS["traffic"], MODEL, asked)
    assert {cell.lengths_name for cell in cells} == {"chat"}


def test_requests_with_timestamps_come_when_they_are_due(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"prompt": "a", "timestamp": 1}', encoding="utf-8")
    (tmp_path / "log.toml").write_text('kind = "requests"\nfile = "log.jsonl"', encoding="utf-8")
    asked = structs.replace(options(), traffic_dir=tmp_path, ini_grid=Grid(traffic=("log",)))
    (cell,) = {cell.id: cell for cell in cells_of(KINDS["traffic"], MODEL, asked)}.values()
    assert cell.id == "tiny-log-trace-log"
    assert isinstance(cell.shape, Trace)


def test_the_prefix_cache_is_an_axis() -> None:
    asked = structs.replace(options(), command_line_grid=Grid(prefix_cache=("off", "on")))
    cells = cells_of(KINDS["cold"], structs.replace(MODEL, grid=Grid()), asked)
    assert [cell.id for cell in cells] == [
        "tiny-cacheoff-in128-out64-cold",
        "tiny-cacheon-in128-out64-cold",
    ]
    off, on = cells
    assert off.load_name == on.load_name  # and so they draw the same requests
    assert off.server_key != on.server_key
    assert (off.reuses, on.reuses) == (False, True)


@pytest.mark.parametrize("kind", ["traffic", "depth"])
def test_a_model_without_output_has_no_turns_and_no_depths(kind: str) -> None:
    model = structs.replace(MODEL, api="openai-embeddings", grid=Grid(users=(1,)))
    folder = Path(__file__).parents[2] / "fixtures" / "traffic"
    assert cells_of(KINDS[kind], model, structs.replace(options(), traffic_dir=folder)) == ()
