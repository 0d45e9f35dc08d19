"""Runs of a mix of two classes with known times."""

from pathlib import Path

from msgspec import structs

from llmbench.cells import Cell, Users
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.journal import Journal
from llmbench.records import RequestRecord
from llmbench.store import RunDir, RunInfo
from llmbench.traffic import Lengths, Mix, TrafficClass
from llmbench.value_types import Slo
from tests.metrics.making import cell_run, request

MIX = Mix(
    "tenants",
    (
        TrafficClass("short", 0.5, Lengths("short", 128, 5), slo=Slo(ttft_ms={"p50": 60})),
        TrafficClass("long", 0.5, Lengths("long", 128, 5)),
    ),
)
CELL = Cell("m", 0, 0, Users(1, 12), traffic=MIX)
ID = "m-tenants-users1"
MODEL = ModelConfig("m", "M", "m", "openai-completions", "tok", SimulatedServer())


def requests(repeat: int, short_ms: float, long_ms: float) -> list[RequestRecord]:
    """A user's requests in turns: of the first class with one TTFT, of the other with another."""
    records, at_ms = list[RequestRecord](), 0.0
    for n in range(12):
        name, ttft_ms = ("short", short_ms) if n % 2 == 0 else ("long", long_ms)
        one = request(at_ms, ttft_ms=ttft_ms, repeat=repeat, traffic_class=name, request=n + 1)
        records.append(structs.replace(one, cell=ID))
        at_ms += ttft_ms + 4 * 20.0
    return records


def mixed_run(
    path: Path, *, long_ms: float = 90, repeats: int = 5, slo: Slo | None = None
) -> RunDir:
    """A run of the mix whose repeats differ by 1 %; `slo` is the model's."""
    run, model = RunDir(path), structs.replace(MODEL, slo=slo or Slo())
    run.write_info(RunInfo(0, (), 7, "0", 1, "abc", False, {"cpu": "cpu0"}, {}, (model,)))
    for repeat in range(1, repeats + 1):
        factor = 1 + 0.01 * (repeat % 3)
        with Journal(run.journal_file(ID, repeat)) as journal:
            for record in requests(repeat, 50 * factor, long_ms * factor):
                journal.append(record)
        run.append_cell_run(structs.replace(cell_run(repeat=repeat), cell=CELL, cell_id=ID))
    return run
