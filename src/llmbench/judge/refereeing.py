"""Puts clients under loads, each on a truth server of its own, and lays their reports beside it."""

import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct, structs

from llmbench.cells import Limits
from llmbench.config import ConfigError, ModelConfig, SimulatedServer
from llmbench.interchange import ClientResult
from llmbench.judge.client_recipes import Recipe, filled, shown_command
from llmbench.judge.client_run import result_of, result_path, run_client
from llmbench.judge.judged_loads import (
    FAULTS,
    LOOSE,
    RULE,
    TIGHT,
    JudgedLoad,
    PlannedLoad,
    highest_within,
)
from llmbench.judge.served_load import LoadFigures, ServedLoad, served_load
from llmbench.judge.supervisor_main import ClientUse
from llmbench.servers import Placement, launch, place
from llmbench.simulator import ServedRequest

MODEL = "simulated"

TIMEOUT_S, TIMEOUT_FACTOR = 180.0, 10.0
"""A client may take that long, and so many times the time that the load needs."""

OVERHEAD_PAGE = PlannedLoad(users=1000, requests_per_user=3, ms_per_token=10.0)
"""The load on vLLM's page about its bench client's overhead: 50 ms, then 10 ms a token."""


class Terms(Struct, frozen=True):
    """What all clients are held to: the loads, the tokenizer, and the cores that they may use."""

    loads: tuple[PlannedLoad, ...]
    tokenizer: str
    client_cores: int | None = None


class JudgedClient(Struct, frozen=True):
    """All loads of one client, the version that it tells, and the files that it is given."""

    name: str
    tool: str
    version: str
    command: str
    remark: str
    files: dict[str, str]
    loads: tuple[JudgedLoad, ...]

    @property
    def climb(self) -> tuple[JudgedLoad, ...]:
        """The loads that differ in their users alone."""
        plain = [it for it in self.loads if not it.load.fault]
        return tuple(it for it in plain if it.load.ms_per_token == plain[0].load.ms_per_token)

    @property
    def within_1_percent(self) -> int | None:
        return highest_within(self.climb, TIGHT)

    @property
    def within_5_percent(self) -> int | None:
        return highest_within(self.climb, LOOSE)


class Judgement(Struct, frozen=True):
    """All clients that were judged, where and when."""

    date: str
    llmbench: str
    host: str
    cores: Placement
    clients: tuple[JudgedClient, ...]
    rule: str = RULE


def planned_loads(
    plain: PlannedLoad, users: Sequence[int], *, faults: bool = False, overhead_page: bool = False
) -> tuple[PlannedLoad, ...]:
    """`plain` with each number of users, then what else is asked for."""
    loads = [structs.replace(plain, users=count) for count in users]
    loads += [OVERHEAD_PAGE] if overhead_page else []
    if faults:
        fewest = structs.replace(plain, users=min(users))
        loads += [structs.replace(fewest, fault=fault) for fault in FAULTS]
    return tuple(loads)


def judge(
    recipes: Sequence[Recipe], terms: Terms, folder: Path, *, say: Callable[[str], None] = print
) -> Judgement:
    """Run each client under each load; `say` gets a line for each.

    What a client read, wrote and said is kept in a folder of each load below ``loads/``, which
    must not be there yet. `ConfigError` where no client left any figures: with the first reason.
    """
    if (folder / "loads").exists():
        raise ConfigError(f"{folder}: has the loads of another judgement; give another --out")
    cores = _cores(terms, say)
    judged = []
    for recipe in recipes:
        judged.append(
            JudgedClient(
                name=recipe.name,
                tool=recipe.tool,
                version=version_of(recipe),
                command=shown_command(recipe),
                remark=recipe.remark,
                files=recipe.files,
                loads=tuple(_each_load(recipe, terms, cores, folder / "loads", say)),
            )
        )
    everything = [load for client in judged for load in client.loads]
    if all(load.reported is None for load in everything):
        raise ConfigError(everything[0].failure)
    return Judgement(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        llmbench=_own_version(),
        host=_host(),
        cores=cores,
        clients=tuple(judged),
    )


def _own_version() -> str:
    from llmbench.verdict import harness

    return harness()


def _host() -> str:
    """The kind of this host, without its name."""
    import psutil

    return (
        f"{psutil.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython "
        + ".".join(map(str, sys.version_info[:3]))
    )


def _cores(terms: Terms, say: Callable[[str], None]) -> Placement:
    """One core for the server; for the client as many of the others as it may have."""
    cores = place(1)
    if cores.note:
        say(f"note: {cores.note}")
    wanted = terms.client_cores or len(cores.client)
    if wanted > len(cores.client):
        left = len(cores.client)
        raise ConfigError(f"--client-cores {wanted}: the server leaves {left} of this host's cores")
    return structs.replace(cores, client=cores.client[:wanted])


def version_of(recipe: Recipe) -> str:
    """The last line that the client says of its version, without paths; empty if it says none."""
    if not recipe.version:
        return ""
    command = [word.replace("{program}", recipe.program) for word in recipe.version]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = asked.stdout.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return re.sub(r"( from)? /\S+", "", last)


def _each_load(
    recipe: Recipe, terms: Terms, cores: Placement, folder: Path, say: Callable[[str], None]
) -> Iterator[JudgedLoad]:
    for number, load in enumerate(terms.loads, start=1):
        name = f"{recipe.name}-{number}-{load.users}-{load.fault}".replace(" ", "-").rstrip("-")
        judged = judge_load(recipe, load, terms, cores, folder / name)
        said = judged.noticed if load.fault else judged.verdict
        say(f"{recipe.name}, {load.users_text}: {said}")
        yield judged


def judge_load(
    recipe: Recipe, load: PlannedLoad, terms: Terms, cores: Placement, folder: Path
) -> JudgedLoad:
    """One client under one load, on a fresh server and in a new `folder` of its own."""
    folder.mkdir(parents=True)
    config = _server_of(load)
    timeout_s = TIMEOUT_S + TIMEOUT_FACTOR * load.seconds
    with launch(config, Limits(), log_dir=folder, cores=cores, session="judge") as server:
        url = server.endpoint.base_url
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
            http.post("/stats/reset")
            run = filled(recipe, _values(load, terms, cores, url, folder.absolute()))
            use = run_client(run, folder, cores, timeout_s)
            stats = msgspec.json.decode(http.get("/stats").content)
            page = http.get("/stats/requests").content
    served = msgspec.json.decode(page, type=list[ServedRequest])
    result, failure = None, ""
    try:
        result = result_of(recipe, use, folder, timeout_s)
    except ConfigError as error:
        failure = str(error)
    asked = None if result is None else result.measurement.asked
    true = served_load(served, asked, recipe.rates) if served else None
    late = stats["lateness_ms"] or {}
    return JudgedLoad(
        client=recipe.name,
        load=load,
        true=None if true is None else true.figures,
        reported=None if result is None else reported_figures(result),
        failure=failure,
        users_mean=None if true is None else true.users_mean,
        users_most=None if true is None else true.users_most,
        cpu_us_per_token=None if true is None else _cpu_us_per_token(use, true),
        cpu_s=use.cpu_ns / 1e9,
        startup_s=None if true is None else (true.first_ns - use.started_ns) / 1e9,
        server_late_p50_ms=late.get("p50"),
        server_late_p99_ms=late.get("p99"),
    )


def _server_of(load: PlannedLoad) -> ModelConfig:
    """The truth server of a load, with the fault that it shall have."""
    slots = max(1, load.users // 2) if load.fault == "a queue" else max(1024, load.users)
    faults = {"packed events": "many-tokens-per-event", "an error event": "error-event:0.1"}
    server = SimulatedServer(
        ttft_ms=load.ttft_ms,
        ms_per_token=load.ms_per_token,
        slots=slots,
        batching="beat" if load.fault == "a beat" else "spread",
        fault=faults.get(load.fault),
    )
    return ModelConfig(
        name="judge",
        title="simulated",
        model=MODEL,
        api="openai-completions",
        tokenizer="",
        server=server,
    )


def _values(
    load: PlannedLoad, terms: Terms, cores: Placement, url: str, folder: Path
) -> dict[str, str]:
    """What the placeholders of a recipe are filled with."""
    local = Path(terms.tokenizer)
    return {
        "url": url,
        "model": MODEL,
        "tokenizer": str(local.absolute()) if local.exists() else terms.tokenizer,
        "users": str(load.users),
        "requests": str(load.requests),
        "requests_per_user": str(load.requests_per_user),
        "seconds": f"{load.seconds:.0f}",
        "input_tokens": str(load.input_tokens),
        "output_tokens": str(load.output_tokens),
        "cores": str(len(cores.client)),
        "folder": str(folder),
        "result": str(result_path(folder)),
    }


def reported_figures(result: ClientResult) -> LoadFigures:
    """What the client says; its requests/s are made of its counts where it tells none."""
    measured = result.measurement
    rate = measured.requests_per_s
    if rate is None and measured.duration_s:
        rate = measured.succeeded / measured.duration_s
    return LoadFigures(
        requests=measured.asked,
        failed=measured.asked - measured.succeeded,
        ttft_p50_ms=measured.ttft.p50,
        ttft_p99_ms=measured.ttft.p99,
        token_p50_ms=measured.time_per_token.p50,
        token_p99_ms=measured.time_per_token.p99,
        requests_per_s=rate,
        tokens_per_s=measured.output_tokens_per_s,
    )


def _cpu_us_per_token(use: ClientUse, true: ServedLoad) -> float | None:
    """The client's CPU time from the first receipt to the last write, for each token written."""
    if not true.tokens:
        return None
    return use.cpu_between_ns(true.begin_ns, true.end_ns) / 1e3 / true.tokens
