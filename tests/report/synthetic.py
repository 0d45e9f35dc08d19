"""Run directories with invented but plausible records, the same for the same arguments."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmbench.cells import Arrivals, Cell, Limits, Ramp, Shape, Users
from llmbench.config import ModelConfig, SimulatedServer, Slo
from llmbench.gauges import GaugeSample
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord, ResourceSample
from llmbench.store import RunDir, RunInfo
from llmbench.value_types import Price

START_NS = 1_790_000_000_000_000_000  # 2026-09-21 14:13:20 UTC
MS = 1_000_000
S = 1_000_000_000
HOSTILE = "<script>alert('x')</script>\"'&"


def model(name: str = "tiny", **changes: object) -> ModelConfig:
    """A simulated model with a price and an SLO."""
    config = ModelConfig(
        name=name,
        title=f"{name.title()} 1B Instruct",
        model=f"org/{name}",
        api="openai-completions",
        tokenizer="org/tok",
        server=SimulatedServer(),
        slo=Slo(ttft_ms={"p95": 200.0}, time_per_token_ms={"p50": 40.0}, error_rate=0.05),
        price=Price(
            region="eu-west-1",
            date="2026-09-01",
            source="price list",
            usd_per_core_hour=0.05,
            usd_per_gib_hour=0.005,
            utilisation=0.8,
        ),
    )
    return msgspec.structs.replace(config, **changes)


def grid(
    models: Sequence[str] = ("tiny",),
    inputs: Sequence[int] = (128,),
    outputs: Sequence[int] = (32,),
    users: Sequence[int] = (1, 4),
    limits: Sequence[Limits] = (Limits(),),
    requests_per_user: int = 5,
) -> list[Cell]:
    """The product of these, as a benchmark would run it."""
    return [
        Cell(name, i, o, Users(u, requests_per_user), limit)
        for name in models
        for limit in limits
        for i in inputs
        for o in outputs
        for u in users
    ]


def info(models: Sequence[ModelConfig], **changes: object) -> RunInfo:
    """``run.json`` of a run that ended by itself an hour after it began."""
    value = RunInfo(
        started_ns=START_NS,
        command=("benchmarks", "-k", "tiny"),
        seed=7,
        harness="0.1.0",
        measuring_version=1,
        git_commit="0123456789abcdef0123456789abcdef01234567",
        git_dirty=False,
        host={
            "hostname": "bench-1",
            "cpu": "Xeon",
            "cores": 2,
            "memory_bytes": 8 * 2**30,
            "kernel": "6.1",
            "gpus": [],
            "python": "3.11.7",
        },
        packages={"pytest": "9.0"},
        models=tuple(models),
        prompts={"org/tok": {"source": "sharegpt", "kind": "real", "seed": 7}},
        ended_ns=START_NS + 3600 * S,
    )
    return msgspec.structs.replace(value, **changes)


def users_of(shape: Shape) -> int:
    """How many requests of `shape` are in flight, roughly."""
    match shape:
        case Users(users=users):
            return users
        case Ramp(steps=steps):
            return steps[-1]
        case Arrivals(rate_per_s=rate):
            return max(1, round(rate))
    return 1


def timing(cell: Cell, users: int) -> tuple[float, float]:
    """Median TTFT and gap between tokens in ms: four slots, then a queue."""
    cores = cell.limits.cores or 2.0
    gap = 10.0 * (2 / cores) * (1 + 0.12 * (min(users, 4) - 1))
    waiting = max(0, users - 4) / 4 * gap * cell.output_tokens
    return 15 + cell.input_tokens * 0.3 * 2 / cores + waiting, gap


def request(
    cell: Cell,
    repeat: int,
    number: int,
    user: int,
    users: int,
    sent_ns: int,
    rng: random.Random,
    *,
    phase: str = "measured",
    failure: float = 0.0,
    keep_events: bool = True,
) -> RequestRecord:
    """One request sent at `sent_ns`; it fails with probability `failure`."""
    ttft_ms, gap_ms = timing(cell, users)
    ttft = int(ttft_ms * rng.lognormvariate(0, 0.15) * MS)
    n = cell.output_tokens
    gap = gap_ms * rng.lognormvariate(0, 0.05) * MS
    offsets = tuple(int(ttft + k * gap) for k in range(n)) if keep_events else ()
    last = int(ttft + (n - 1) * gap)
    known: dict[str, object] = {
        "cell": cell.id,
        "repeat": repeat,
        "phase": phase,
        "request": number,
        "user": user,
        "worker": 0,
        "scheduled_ns": sent_ns - 20_000,
        "sent_ns": sent_ns,
        "requested_input_tokens": cell.input_tokens,
        "requested_output_tokens": n,
        "prompt_tokens": cell.input_tokens + rng.randint(-10, 10),
        "prompt_index": rng.randrange(1000),
    }
    if rng.random() < failure:
        kind = rng.choice(["http_5xx", "stalled", "cut"])
        return msgspec.convert(
            known
            | {
                "done_ns": sent_ns + ttft,
                "error_kind": kind,
                "error": f"server said: {HOSTILE}",
                "http_status": 503 if kind == "http_5xx" else 200,
            },
            RequestRecord,
        )
    return msgspec.convert(
        known
        | {
            "done_ns": sent_ns + last + 200_000,
            "input_tokens": known["prompt_tokens"],
            "output_tokens": n,
            "cached_tokens": 0,
            "first_token_ns": sent_ns + ttft,
            "first_token_earliest_ns": sent_ns + ttft,
            "first_answer_ns": sent_ns + ttft,
            "last_token_ns": sent_ns + last,
            "first_event_tokens": 1,
            "event_ns": offsets,
            "events": n,
            "finish_reason": "length",
            "http_status": 200,
            "client_lag_ns": rng.randrange(20_000, 90_000),
        },
        RequestRecord,
    )


def load(
    cell: Cell,
    repeat: int,
    start_ns: int,
    rng: random.Random,
    requests_per_user: int,
    failure: float = 0.0,
    keep_events: bool = True,
) -> list[RequestRecord]:
    """A closed loop of the cell's users, one warm-up each first."""
    users = users_of(cell.shape)
    records = []
    for user in range(users):
        now = start_ns + user * MS
        for number in range(requests_per_user + 1):
            phase = "measured" if number else "warmup"
            record = request(
                cell,
                repeat,
                number or 1,
                user,
                users,
                now,
                rng,
                phase=phase,
                failure=failure,
                keep_events=keep_events,
            )
            records.append(record)
            now = record.done_ns + 300_000
    return records


def ramp_load(cell: Cell, repeat: int, start_ns: int, rng: random.Random) -> list[RequestRecord]:
    """Users that join at each step of a ramp and stay."""
    shape = cell.shape
    assert isinstance(shape, Ramp)
    step = int(shape.step_s * S)
    end = start_ns + step * len(shape.steps)
    records = []
    for user in range(shape.steps[-1]):
        joined = next(k for k, users in enumerate(shape.steps) if user < users)
        now, number = start_ns + joined * step + user * MS, 1
        while now < end:
            users = shape.steps[min(len(shape.steps) - 1, (now - start_ns) // step)]
            record = request(cell, repeat, number, user, users, now, rng)
            records.append(record)
            now, number = record.done_ns + 300_000, number + 1
    return records


def cell_run(
    cell: Cell, repeat: int, start_ns: int, end_ns: int, config: ModelConfig, log: str | None
) -> CellRun:
    """The repeat of `cell` that ran from `start_ns` to `end_ns`."""
    steps: tuple[tuple[int, int], ...] = ()
    if isinstance(cell.shape, Ramp):
        step = int(cell.shape.step_s * S)
        steps = tuple((u, start_ns + (k + 1) * step) for k, u in enumerate(cell.shape.steps))
    launch = Launch("simulated", start_ns - 5 * S, healthy_s=1.2, log_file=log)
    endpoint = Endpoint("http://127.0.0.1:9", config.api, config.model, config.simulated, launch)
    return CellRun(
        cell=cell,
        cell_id=cell.id,
        repeat=repeat,
        started_ns=start_ns,
        ended_ns=end_ns,
        endpoint=endpoint,
        seed=7,
        prompts_sha256="ab" * 32,
        step_ends_ns=steps,
    )


def samples(cell: Cell, repeat: int, start_ns: int, end_ns: int) -> list[ResourceSample]:
    """CPU and memory once a second, and at both ends."""
    users = users_of(cell.shape)
    cores = cell.limits.cores or 2.0
    times = [*range(start_ns, end_ns, S), end_ns]
    return [
        ResourceSample(
            time_ns=now,
            target=cell.model,
            cell=cell.id,
            repeat=repeat,
            cpu_percent=100 * cores * (0.5 + 0.5 * min(1, users / 4)) - 5 * math.sin(k),
            memory_bytes=(300 + 20 * users) * 2**20,
            cpu_limit_cores=cell.limits.cores,
            memory_limit_bytes=cell.limits.memory_bytes,
        )
        for k, now in enumerate(times)
    ]


def gauges(cell: Cell, repeat: int, start_ns: int, end_ns: int) -> list[GaugeSample]:
    """Four slots, the other users wait; the fifth reading failed."""
    users = users_of(cell.shape)
    times = [*range(start_ns, end_ns, S // 4), end_ns]
    where = (cell.model, "http://127.0.0.1:9/metrics", cell.id, repeat)
    return [
        GaugeSample(
            now,
            *where,
            running=min(users, 4),
            waiting=max(0, users - 4),
            kv_usage=min(users, 4) / 5,
            drafts=10 * k,
            accepted_tokens=15 * k,
        )
        if k != 4
        else GaugeSample(now, *where, error="no answer within 1 s")
        for k, now in enumerate(times)
    ]


def write_run(
    path: Path,
    cells: Sequence[Cell],
    *,
    configs: Sequence[ModelConfig] | None = None,
    repeats: int = 1,
    requests_per_user: int = 5,
    failure: float = 0.0,
    keep_events: bool = True,
    killed: bool = False,
    log: str = "loading model\nready\n",
    tells: bool = False,
    **changes: object,
) -> RunDir:
    """A run directory with a journal of `cells`; `killed`: the last one did not end.

    With `tells` its servers told their gauges.
    """
    path.mkdir(parents=True, exist_ok=True)
    names = sorted({cell.model for cell in cells})
    known = {config.name: config for config in configs or [model(name) for name in names]}
    run = RunDir(path)
    run.write_info(info(list(known.values()), **({"ended_ns": None} if killed else {}) | changes))
    log_file = run.logs / "server.log"
    log_file.parent.mkdir(exist_ok=True)
    log_file.write_text(log)
    now = START_NS + 10 * S
    rng = random.Random(11)
    encode = msgspec.json.Encoder().encode
    for cell in cells:
        for repeat in range(1, repeats + 1):
            if isinstance(cell.shape, Ramp):
                records = ramp_load(cell, repeat, now, rng)
            else:
                records = load(cell, repeat, now, rng, requests_per_user, failure, keep_events)
            end = max(record.done_ns for record in records)
            last = killed and cell is cells[-1] and repeat == repeats
            journal = run.journal_file(cell.id, repeat)
            journal.parent.mkdir(parents=True, exist_ok=True)
            kept = records[: len(records) // 2] if last else records
            lines = b"".join(encode(record) + b"\n" for record in kept)
            journal.write_bytes(lines + (b'{"cell":"cut' if last else b""))
            if last:
                run.append_cell_start(
                    cell_run(cell, repeat, now, now, known[cell.model], "logs/server.log")
                )
            else:
                run.append_cell_run(
                    cell_run(cell, repeat, now, end, known[cell.model], "logs/server.log")
                )
            run.append_samples(samples(cell, repeat, now, end))
            for sample in gauges(cell, repeat, now, end) if tells else ():
                run.append_gauges(sample)
            now = end + 2 * S
    return run
