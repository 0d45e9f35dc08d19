"""Judges whether a cell's numbers are the server's (validity), and whether they meet the SLO.

Every rule says what it found, against what limit, and what to do next. Its limit is in `Rules`;
docs/verdict.md says why each is where it is. A cell that breaks one is INVALID, which is
neither pass nor fail.
"""

from collections.abc import Callable, Iterator

from llmbench.cells import Users
from llmbench.config import Slo
from llmbench.records import CellRun
from llmbench.results import CellResult, CellSummary, Problem
from llmbench.verdict.failed_requests import error_rate, no_success, requests_of, resent
from llmbench.verdict.notes import notes
from llmbench.verdict.objectives import not_sustained, slo_misses, slo_undecided
from llmbench.verdict.rules import Rules

DEFAULT = Rules()


def judge(
    summary: CellSummary, run: CellRun, slo: Slo, rules: Rules = DEFAULT, *, ended: bool = True
) -> CellResult:
    """The verdict on one repeat of a cell. `ended`: whether the run got to the cell's end.

    `ConfigError` for an unknown `slo.preset`.
    """
    problems = [] if ended else [_did_not_end(summary)]
    broken = [p for rule in _RULES if (p := rule(summary, run, rules)) is not None]
    problems += [p for p in broken if run.cut_short is None or p.rule not in _OF_WHOLE_CELLS]
    undecided = tuple(slo_undecided(summary, slo)) if summary.succeeded else ()
    return CellResult(
        summary=summary,
        problems=tuple(problems),
        slo_misses=(*_cut_short(run), *(slo_misses(summary, slo) if summary.succeeded else ())),
        slo_undecided=undecided,
        notes=(*run.notes, *notes(summary, run, rules), *(limit.message for limit in undecided)),
        overloaded=not_sustained(summary),
    )


def _cut_short(run: CellRun) -> Iterator[Problem]:
    if run.cut_short is not None:
        yield Problem("cut_short", f"the trial ended before its time: {run.cut_short}")


def _did_not_end(summary: CellSummary) -> Problem:
    return Problem(
        "did_not_end",
        f"the run ended before this cell did, after {requests_of(summary.requests)}: "
        "its numbers are of a part; run the cell again",
    )


def _not_launched(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    if run.launch_error is None:
        return None
    return Problem("not_launched", f"the server did not start: {run.launch_error}")


def _server_died(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    died = run.server_died or ("it died" if "server_died" in summary.errors else None)
    if died is None:
        return None
    return Problem("server_died", f"the server died in the middle of the cell: {died}; see its log")


def _worker_died(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    lost = summary.errors.get("worker_died", 0)
    if not lost and not run.workers_lost:
        return None
    why = f" ({'; '.join(run.workers_lost)})" if run.workers_lost else ""
    return Problem(
        "worker_died",
        f"a load generating process died and took {requests_of(lost)} with it{why}: "
        "run the cell again; memory of the client's host is the usual reason",
    )


def _replica_failed(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    bad = [
        f"instance {number} ({replica.url}) failed {replica.failed} of "
        f"{requests_of(replica.requests)}"
        for number, replica in enumerate(summary.replicas, 1)
        if replica.failed > rules.error_rate * replica.requests
    ]
    if not bad:
        return None
    return Problem(
        "replica_failed",
        f"{'; '.join(bad)}, limit {rules.error_rate:.0%} of each: what the others carried is not "
        "the load that was asked for; see its log",
    )


def _output_length(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    rate = summary.output_length_hit_rate
    if rate is None or rate >= rules.output_length_hit_rate:
        return None
    return Problem(
        "output_length",
        f"only {rate:.0%} of the outputs are within 10 % of the length "
        f"asked for, limit {rules.output_length_hit_rate:.0%}: use an API that can ignore "
        "the end of text, or ask for shorter outputs",
    )


def _short_prompts(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    share = summary.short_prompts_share
    if share is None or share <= rules.short_prompts_share or run.endpoint.simulated:
        return None  # the simulator counts a quarter of a prompt's bytes, whatever the tokenizer
    return Problem(
        "short_prompts",
        f"in {share:.0%} of the requests the server processed only "
        f"{summary.processed_prompt_tokens:,} of {summary.sent_prompt_tokens:,} prompt tokens, "
        f"limit {rules.short_prompts_share:.0%}: raise its context (Ollama's with "
        '--llm-request-add \'{"options": {"num_ctx": …}}\') or ask for fewer input tokens; if '
        "the context is large enough, the tokenizer is not the model's",
    )


def _client_lag(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    lag, token = summary.client_lag_ms, summary.time_per_token_ms
    limit = max(rules.client_lag_floor_ms, token.p50 if token else 0.0)
    if lag is None or lag.p50 <= limit:
        return None
    return Problem(
        "client_lag",
        f"the client read its data {lag.p50:.1f} ms after it had arrived (median of each "
        f"request's longest), limit {limit:.1f} ms: it was starved of CPU; give it a core of its "
        f"own, {_more_cpu(run)} or fewer users",
    )


def _schedule_delay(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    delay, ttft = summary.schedule_delay_ms, summary.ttft_ms
    if delay is None or not run.cell.shape.is_open_loop:
        return None
    share = rules.schedule_delay_share * ttft.p50 if ttft else 0.0
    limit = max(rules.schedule_delay_floor_ms, share)
    if delay.p95 <= limit:
        return None
    return Problem(
        "schedule_delay",
        f"requests left {delay.p95:.1f} ms after their deadline (p95), limit {limit:.1f} ms: the "
        f"client couldn't keep the schedule; use {_more_cpu(run)} or a lower rate",
    )


def _delivered(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    share = summary.delivered_share
    if share is None or share >= rules.delivered_share or not summary.succeeded:
        return None
    if summary.overloaded and summary.dropped:
        return None
    return Problem(
        "delivered_share",
        f"only {share:.0%} of the asked load reached the server, limit "
        f"{rules.delivered_share:.0%}: {_lost_load(summary, run)}",
    )


def _lost_load(summary: CellSummary, run: CellRun) -> str:
    if summary.dropped:
        return (
            f"{requests_of(summary.dropped)} found too many others in flight and were dropped; "
            "lower the rate or raise max_in_flight"
        )
    return (
        "the client was busy between requests; give it a core of its own, "
        f"{_more_cpu(run)} or fewer users"
    )


def _little(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    residual, latency = summary.little_residual, summary.latency_ms
    if residual is None or latency is None or summary.window_s <= 0 or summary.overloaded:
        return None
    limit = rules.little_residual + latency.max / 1e3 / summary.window_s
    if residual <= limit:
        return None
    return Problem(
        "little_residual",
        f"requests in flight and rate x latency differ by {residual:.0%} (Little's law), limit "
        f"{limit:.0%}: the load was not steady or records are missing; measure for longer",
    )


def _not_steady(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    latency, is_step = summary.latency_ms, isinstance(run.cell.shape, Users) and run.step_ends_ns
    if summary.window_rule == "steady" or latency is None or summary.overloaded:
        return None
    if is_step:
        what = "the step ended before each user had been answered several times; hold it for longer"
    elif run.cell.shape.is_open_loop:
        what = (
            "an empty server needs that long to fill up, but arrivals ended before; measure for "
            "longer (--llm-duration), at least twice that"
        )
    else:
        return None
    took = f"requests took up to {latency.max / 1e3:.3g} s, and {what}"
    return Problem("not_steady", f"the load was never steady: {took}")


def _ttft_bounded(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    share = summary.ttft_bounded_share
    if share is None or share <= rules.ttft_bounded_share or share * summary.in_window < 1.5:
        return None
    return Problem(
        "ttft_bounded",
        f"in {share:.0%} of the requests the first token was read together with later data, so "
        f"TTFT may be up to {summary.ttft_uncertainty_ms or 0:.1f} ms less than shown; limit "
        f"{rules.ttft_bounded_share:.0%}: give the client a core of its own or fewer users, or "
        "look for a proxy that buffers",
    )


def _clock_step(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    share = rules.clock_step_share * summary.ttft_ms.p50 if summary.ttft_ms else 0.0
    limit = max(rules.clock_step_floor_ms, share)
    if summary.clock_step_ms <= limit or summary.reader_clock_share == 1.0:
        return None
    return Problem(
        "clock_step",
        f"the wall clock moved by {summary.clock_step_ms:.1f} ms during a request, limit "
        f"{limit:.1f} ms, and the kernel's stamps with it: run again once the clock is in step",
    )


def _throttled(summary: CellSummary, run: CellRun, rules: Rules) -> Problem | None:
    share = summary.throttled_share
    asked = run.cell.limits.cores is not None or run.endpoint.launch.cpu_quota_cores is not None
    if share is None or share <= rules.throttled_share or asked:
        return None
    return Problem(
        "throttled",
        f"the server's CPU was throttled for {share:.0%} of the time though no limit was asked "
        f"for, limit {rules.throttled_share:.0%}: lift the quota of the host or give --llm-cores",
    )


_OF_WHOLE_CELLS = frozenset({"little_residual", "not_steady", "no_success", "no_requests"})
"""The rules that say nothing about a trial that was cut short on purpose."""

Rule = Callable[[CellSummary, CellRun, Rules], Problem | None]

_RULES: tuple[Rule, ...] = (
    _not_launched,
    _server_died,
    _worker_died,
    _replica_failed,
    no_success,
    error_rate,
    resent,
    _output_length,
    _short_prompts,
    _client_lag,
    _schedule_delay,
    _delivered,
    _little,
    _not_steady,
    _ttft_bounded,
    _clock_step,
    _throttled,
)


def _more_cpu(run: CellRun) -> str:
    """Advice to give the client more CPU; more workers help only if there are cores for them."""
    if not run.client_cores or run.workers < len(run.client_cores):
        return "more workers (--llm-workers)"
    return "more cores (--llm-cores gives the server fewer) with a worker on each (--llm-workers)"
