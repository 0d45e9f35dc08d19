"""Runs one cell; this is the entrance to the room."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

from msgspec.structs import replace

from llmbench.apis import ChatDialect, dialect, generates, image_api, schema_api, sibling
from llmbench.cells import Cell
from llmbench.config import ConfigError
from llmbench.journal import Journal
from llmbench.load.plan.requests import ignores_eos, kept_apart
from llmbench.load.progress import Progress
from llmbench.load.wire.polling import run_loop
from llmbench.load.workers.messages import ASK_PERIOD_S, RUN, Control, Job, Outcome, Questions
from llmbench.load.workers.sharding import Sharded, run_shards
from llmbench.load.workers.worker import run_shard
from llmbench.process import pinned
from llmbench.records import CellRun, Endpoint, Prompt
from llmbench.store import RunDir
from llmbench.traffic import Bodies, Material, Mix, Mixed, speaks_chat


def run_cell(
    cell: Cell,
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    *,
    run: RunDir,
    repeat: int,
    seed: int,
    prompts_sha256: str,
    cores: tuple[int, ...] = (),
    workers: int = 1,
    cluster: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    died: Callable[[], str | None] | None = None,
    enough: Callable[[], str | None] | None = None,
    warmup_per_user: int = 1,
    seen: set[str] | None = None,
    material: Material | None = None,
) -> CellRun:
    """Put the load of `cell` on `endpoint`; every request goes into the run's journal at once.

    The client keeps to `cores`; with more than one worker each gets one of them. `cluster` is the
    address of a Dask scheduler whose workers carry the load instead of processes here. `seen` holds
    the texts that the server was sent before: others are sent first, and those that are sent now
    are added. `material` is what the cell's traffic sends, instead of the prompts. Two questions
    are asked about once a second, and an answer ends the cell: `died` says
    why the server no longer runs, `enough` why no more needs to be measured (what is in flight is
    cancelled then, and `CellRun.cut_short` says so). `ConfigError` says, before anything is sent,
    that the plan can't be carried out. Whatever is raised while the load runs is raised here:
    `WriteError` if records can't be written, `StuckError` if the load stood still. A worker that
    dies raises nothing, but is in `CellRun.workers_lost`.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers can't carry a load; give at least 1")
    seen = set() if seen is None else seen
    job = Job(
        cell=cell,
        endpoint=_in_words_of(cell, material, endpoint),
        prompts=tuple(prompts),
        repeat=repeat,
        seed=seed,
        warmup_per_user=_warm_ups(cell, warmup_per_user),
        salt=secrets.token_hex(8),
        workers=workers,
        material=material,
    )
    job = replace(job, seen=tuple(at for at, text in enumerate(job.texts) if text in seen))
    questions = Questions(died, enough)
    journal_file = partial(run.journal_file, cell.id, repeat)
    if workers == 1 and cluster is None:
        done = Sharded((_alone(job, journal_file(0), cores, progress, questions),), ())
    else:
        done = run_shards(job, journal_file, cores, cluster, progress, questions)
    texts = job.texts
    seen.update(texts[at] for outcome in done.outcomes for at in outcome.prompts_sent)
    return _cell_run(job, done, prompts_sha256, cores)


def _warm_ups(cell: Cell, asked: int) -> int:
    """The warm-up of each user: in a mix every class has one, unless there is none at all."""
    classes = len(cell.traffic.classes) if isinstance(cell.traffic, Mix) else 0
    return max(asked, -(-classes // (cell.shape.most_users or 1))) if asked else 0


def api_for(api: str, material: Material | None) -> str:
    """The dialect in which a server of the dialect `api` is sent `material`: chats, for one.

    `ConfigError` where its servers take no such requests.
    """
    chat = speaks_chat(material)
    parts = material.parts if isinstance(material, Mixed) else (material,)
    replays = any(isinstance(part, Bodies) for part in parts)  # no other dialect takes these
    if chat is None or (chat and not replays and isinstance(dialect(api), ChatDialect)):
        return api
    return sibling(api, chat=chat)


def _in_words_of(cell: Cell, material: Material | None, endpoint: Endpoint) -> Endpoint:
    """`endpoint` in the dialect that its traffic, schema and images need."""
    if not generates(endpoint.api) and material is None:
        return _unstreamed(endpoint)
    api = api_for(endpoint.api, material) if cell.schema is None else schema_api(endpoint.api)
    api = api if cell.images is None else image_api(api)
    if api == endpoint.api:
        return endpoint
    return replace(endpoint, api=api, others=tuple(replace(e, api=api) for e in endpoint.others))


def _unstreamed(endpoint: Endpoint) -> Endpoint:
    """`endpoint` as a dialect without tokens uses it, which has nothing to stream."""
    client = replace(endpoint.client, stream=False)
    return replace(endpoint, client=client, others=tuple(map(_unstreamed, endpoint.others)))


class Alone:
    """The channel of a cell's only worker: nobody directs it, but something may end its cell."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._asked = monotonic()

    def exchange(self, now: Progress, *, ready: bool) -> Control:
        if monotonic() - self._asked < ASK_PERIOD_S:
            return RUN
        self._asked = monotonic()
        return self._questions.control() or RUN


def _alone(
    job: Job,
    journal_file: Path,
    cores: tuple[int, ...],
    progress: Callable[[Progress], None] | None,
    questions: Questions,
) -> Outcome:
    """Run the whole load on this thread."""
    with pinned(cores), Journal(journal_file) as journal:
        return run_loop(run_shard(job, Alone(questions), journal.append, progress))


def _cell_run(job: Job, done: Sharded, prompts_sha256: str, cores: tuple[int, ...]) -> CellRun:
    outcomes = done.outcomes
    prompts_sent = {at for outcome in outcomes for at in outcome.prompts_sent}
    reused = len(prompts_sent & set(job.seen))
    died = [outcome.server_died for outcome in outcomes if outcome.server_died]
    return CellRun(
        cell=job.cell,
        cell_id=job.cell.id,
        repeat=job.repeat,
        started_ns=min(outcome.started_ns for outcome in outcomes),
        ended_ns=max(outcome.ended_ns for outcome in outcomes),
        endpoint=job.endpoint,
        seed=job.seed,
        prompts_sha256=prompts_sha256,
        warmup_per_user=job.warmup_per_user,
        dropped=sum(outcome.dropped for outcome in outcomes),
        client_cpu_ns=sum(outcome.cpu_ns for outcome in outcomes),
        client_cores=cores,
        workers=job.workers,
        step_ends_ns=max((outcome.step_ends_ns for outcome in outcomes), key=len),
        server_died=died[0] if died else None,
        cut_short=next((outcome.cut_short for outcome in outcomes if outcome.cut_short), None),
        workers_lost=done.lost,
        clock_error_ns=done.clock_error_ns,
        prompts_sent=len(prompts_sent),
        prompts_reused=reused,
        ignores_eos=ignores_eos(job.endpoint),
        notes=(*_notes(job, done), *_reuse(job, len(prompts_sent), reused)),
    )


def _notes(job: Job, done: Sharded) -> tuple[str, ...]:
    """What a reader of the numbers should know about how they were taken."""
    notes: list[str] = []
    sent = sum(outcome.sent for outcome in done.outcomes)
    if sent * job.cell.inputs > len(job.texts) and not job.cell.converses:
        notes.append(f"prompts repeat: {sent} requests were made from {len(job.texts)} prompts")
    if done.clock_error_ns:
        error_ms = done.clock_error_ns / 1e6
        notes.append(f"the workers' clocks agree to ±{error_ms:.1f} ms, by round trips")
    stops = dict.fromkeys(outcome.stopped for outcome in done.outcomes if outcome.stopped)
    return tuple(notes) + tuple(f"stopped: {why}" for why in stops)


def _reuse(job: Job, sent: int, reused: int) -> Iterator[str]:
    """A note that the server knows prompts of earlier cells, and whether that matters."""
    if reused and job.material is None:
        apart = kept_apart(job.endpoint)
        cached = "" if apart else "; nothing in a request keeps it from its prompt cache"
        yield f"{reused} of {sent} prompts were sent before to this server{cached}"
