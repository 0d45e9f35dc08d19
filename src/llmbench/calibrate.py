"""``llmbench calibrate``: compares this host's client with a server whose true figures are known.

The simulated server runs on a core of its own and the client on the others. Truth and report are
about the same requests. `RULE` decides how far the client can be trusted.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
from msgspec import Struct

from llmbench.cells import Cell, Limits, Users
from llmbench.config import ConfigError, ModelConfig, SimulatedServer
from llmbench.load import run_cell
from llmbench.records import CellRun, Endpoint, Prompt, RequestRecord
from llmbench.servers import Placement, launch, place
from llmbench.store import RunDir

TTFT_MS = 50.0  # as by default; a request then takes 1.3 s
MS_PER_TOKEN = 20.0
INPUT_TOKENS, OUTPUT_TOKENS = 128, 64
REQUESTS_PER_USER = 6
TOLERANCE = 0.01  # the 1 % of `RULE`

RULE = (
    "a load can be trusted when no request failed, all were delivered, and TTFT and inter-token "
    "latency, p50 and p99, are each reported within 1 % of the truth (bounds are shown and excuse "
    "nothing); this host's client can be trusted up to the last load before one that can't"
)

Batching = Literal["spread", "beat"]


class Reported(Struct, frozen=True):
    """A quantile in ms: as the server did it, and as the client reports it to users.

    Where stamps are bounded, `reported_ms` takes the later bound, `earliest_ms` the earlier one.
    """

    true_ms: float
    reported_ms: float
    earliest_ms: float

    @property
    def error(self) -> float:
        """The reported figure's relative error."""
        return self.reported_ms / self.true_ms - 1

    @property
    def right(self) -> bool:
        """Whether the figure that users see is within 1 % of the truth."""
        return abs(self.error) <= TOLERANCE


class CalibratedLoad(Struct, frozen=True):
    """One load: the truth, the report, and what the load cost the client."""

    users: int
    requests: int
    failed: int
    delivered: bool
    ttft_p50: Reported
    ttft_p99: Reported
    itl_p50: Reported
    itl_p99: Reported
    requests_per_s: float
    tokens_per_s: float
    cpu_us_per_token: float
    bounded_share: float
    kernel_stamp_share: float
    server_late_p50_ms: float
    server_late_p99_ms: float

    @property
    def problems(self) -> tuple[str, ...]:
        """The parts of the rule that this load breaks."""
        quantiles = {
            "TTFT p50": self.ttft_p50,
            "TTFT p99": self.ttft_p99,
            "ITL p50": self.itl_p50,
            "ITL p99": self.itl_p99,
        }
        problems = [f"{self.failed} requests failed"] if self.failed else []
        problems += [] if self.delivered else ["not all delivered"]
        wrong = (f"{name} {it.error:+.1%}" for name, it in quantiles.items() if not it.right)
        return (*problems, *wrong)


class Calibration(Struct, frozen=True):
    """All loads of one climb; `trusted_users` is None when not even the first can be trusted."""

    batching: Batching
    cores: Placement
    steps: tuple[CalibratedLoad, ...]
    rule: str = RULE

    @property
    def trusted_users(self) -> int | None:
        """The last load before one that breaks the rule."""
        trusted = None
        for step in self.steps:
            if step.problems:
                break
            trusted = step.users
        return trusted


def calibrate(
    steps: Sequence[int],
    *,
    batching: Batching = "spread",
    json_file: Path | None = None,
    say: Callable[[str], None] = print,
) -> Calibration:
    """Climb through `steps` users and show truth and report side by side, also in `json_file`."""
    cores = place(1)
    if cores.note:
        say(f"note: {cores.note}")
    loads: list[CalibratedLoad] = []
    for users in steps:
        say(f"{users} users …")
        loads.append(measure(users, batching, cores))
    calibration = Calibration(batching, cores, tuple(loads))
    say(render(calibration))
    if json_file is not None:
        json_file.write_bytes(to_json(calibration))
        say(f"written: {json_file}")
    return calibration


def measure(users: int, batching: Batching, cores: Placement) -> CalibratedLoad:
    """Run one load on a fresh simulator."""
    config = ModelConfig(
        name="calibrate",
        title="simulated",
        model="simulated",
        api="openai-completions",
        tokenizer="",
        server=SimulatedServer(ttft_ms=TTFT_MS, ms_per_token=MS_PER_TOKEN, batching=batching),
    )
    with tempfile.TemporaryDirectory(prefix="llmbench-calibrate-") as folder:
        run = RunDir.create(Path(folder), None)
        with launch(config, Limits(), log_dir=run.logs, cores=cores, session="calibrate") as server:
            httpx.post(f"{server.endpoint.base_url}/stats/reset", trust_env=False)
            cell_run = run_cell(
                _cell(users),
                server.endpoint,
                _prompts(),
                run=run,
                repeat=1,
                seed=1,
                prompts_sha256="",
                cores=cores.client,
                died=server.died,
                warmup_per_user=0,
            )
            truth = _truth(server.endpoint)
        return step_of(users, truth, list(run.requests()), cell_run)


def _cell(users: int) -> Cell:
    """A cell whose users start evenly over the time of one request, so that they stay spread."""
    request_s = (TTFT_MS + MS_PER_TOKEN * (OUTPUT_TOKENS - 1)) / 1e3
    rate = None if users == 1 else users / request_s
    shape = Users(users, requests_per_user=REQUESTS_PER_USER, spawn_rate_per_s=rate)
    return Cell("calibrate", INPUT_TOKENS, OUTPUT_TOKENS, shape)


def _prompts() -> list[Prompt]:
    """Texts of the length that the simulator counts as `INPUT_TOKENS`."""
    return [Prompt(f"{n:08d}" + " abc" * (INPUT_TOKENS - 2), INPUT_TOKENS) for n in range(64)]


def _truth(endpoint: Endpoint) -> dict[str, Any]:
    page = httpx.get(f"{endpoint.base_url}/stats", trust_env=False, timeout=60).content
    return msgspec.json.decode(page, type=dict[str, Any])


def step_of(
    users: int, truth: dict[str, Any], records: Sequence[RequestRecord], run: CellRun
) -> CalibratedLoad:
    """One load's truth and what its records report."""
    good = [record for record in records if record.ok]
    if not good:
        first = records[0]
        raise ConfigError(
            f"calibrate: all of {len(records)} requests of {users} users failed; the first: "
            f"{first.error_kind}: {first.error}"
        )
    ttft, ttft_earliest = zip(*map(_ttft_ns, good), strict=True)
    gaps = [gap for record in good for gap in _gaps_ns(record)]
    itl = [latest for latest, _earliest in gaps]
    itl_earliest = [earliest for _latest, earliest in gaps]
    tokens = sum(record.output_tokens or 0 for record in good)
    span_s = (max(r.done_ns for r in records) - min(r.scheduled_ns for r in records)) / 1e9

    def quantile(name: str, key: str, latest: Sequence[int], earliest: Sequence[int]) -> Reported:
        share = {"p50": 0.50, "p99": 0.99}[key]
        return Reported(truth[name][key], _quantile(latest, share), _quantile(earliest, share))

    return CalibratedLoad(
        users=users,
        requests=len(records),
        failed=len(records) - len(good),
        delivered=len(good) == users * REQUESTS_PER_USER == truth["outcomes"].get("ok"),
        ttft_p50=quantile("ttft_ms", "p50", ttft, ttft_earliest),
        ttft_p99=quantile("ttft_ms", "p99", ttft, ttft_earliest),
        itl_p50=quantile("itl_ms", "p50", itl, itl_earliest),
        itl_p99=quantile("itl_ms", "p99", itl, itl_earliest),
        requests_per_s=len(good) / span_s,
        tokens_per_s=tokens / span_s,
        cpu_us_per_token=run.client_cpu_ns / 1e3 / tokens,
        bounded_share=sum(len(r.bounded_events) for r in good) / sum(r.events for r in good),
        kernel_stamp_share=sum(r.clock == "kernel" for r in good) / len(good),
        server_late_p50_ms=truth["lateness_ms"]["p50"],
        server_late_p99_ms=truth["lateness_ms"]["p99"],
    )


def _ttft_ns(record: RequestRecord) -> tuple[int, int]:
    assert record.first_token_ns is not None and record.sent_ns is not None
    earliest = record.first_token_earliest_ns or record.first_token_ns
    return record.first_token_ns - record.sent_ns, earliest - record.sent_ns


def _gaps_ns(record: RequestRecord) -> Iterator[tuple[int, int]]:
    """Each gap between events, by the latest and by the earliest times that the stamps allow."""
    earliest = list(record.event_ns)
    for index, offset_ns in record.bounded_events:
        earliest[index] = offset_ns
    for latest, early in zip(pairwise(record.event_ns), pairwise(earliest), strict=True):
        yield latest[1] - latest[0], early[1] - early[0]


def _quantile(values_ns: Sequence[int], share: float) -> float:
    """A quantile in ms, which is one of the values, as the simulator defines it too."""
    ordered = sorted(values_ns)
    return ordered[math.ceil(share * len(ordered)) - 1] / 1e6


def to_json(calibration: Calibration) -> bytes:
    """The calibration with its verdicts, as JSON."""
    page = msgspec.to_builtins(calibration) | {"trusted_users": calibration.trusted_users}
    for step, step_page in zip(calibration.steps, page["steps"], strict=True):
        step_page["problems"] = list(step.problems)
    return msgspec.json.format(msgspec.json.encode(page), indent=2) + b"\n"


_COLUMNS = "users|TTFT p50|TTFT p99|ITL p50|ITL p99|req/s|tokens/s|CPU µs/token|bounded|"
_COLUMNS += "server late p50/p99 ms|trusted"


def render(calibration: Calibration) -> str:
    """The table and the verdict, for a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"truth → reported, ms ({calibration.batching})", title_justify="left")
    for name in _COLUMNS.split("|"):
        table.add_column(name, justify="right")
    for step in calibration.steps:
        table.add_row(
            str(step.users),
            *map(_pair, (step.ttft_p50, step.ttft_p99, step.itl_p50, step.itl_p99)),
            f"{step.requests_per_s:.1f}",
            f"{step.tokens_per_s:.0f}",
            f"{step.cpu_us_per_token:.1f}",
            f"{step.bounded_share:.2%}",
            f"{step.server_late_p50_ms:.2f}/{step.server_late_p99_ms:.2f}",
            "no: " + ", ".join(step.problems) if step.problems else "yes",
        )
    console = Console(width=max(Console().width, 150), highlight=False)
    with console.capture() as captured:
        console.print(table)
    return f"{captured.get()}\n{verdict(calibration)}\nRule: {calibration.rule}."


def _pair(quantile: Reported) -> str:
    early, late = f"{quantile.earliest_ms:.2f}", f"{quantile.reported_ms:.2f}"
    return f"{quantile.true_ms:.2f} → {late}" + (f"\nfrom {early}" if early != late else "")


def verdict(calibration: Calibration) -> str:
    """How far this host's client can be trusted, in a sentence."""
    users = calibration.trusted_users
    first, last = calibration.steps[0], calibration.steps[-1]
    if users is None:
        return (
            f"This host's client can't be trusted, not even with {first.users} users: "
            f"{', '.join(first.problems)}. Free a core for it, or run it on another machine."
        )
    if users == last.users:
        return f"This host's client can be trusted up to {users} users, the most that was tried."
    return f"This host's client can be trusted up to {users} users; beyond that use --llm-workers."
