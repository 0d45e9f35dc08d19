"""Every rule of validity: what makes a cell INVALID, in which words, and what does not."""

from typing import Any

import pytest
from msgspec import structs

from llmbench.cells import Arrivals, Limits, Ramp, Users
from llmbench.config import Slo
from llmbench.metrics.percentiles import distribution
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import CellRun, RequestRecord
from llmbench.results import CellResult, CellSummary, Distribution, ReplicaSummary
from llmbench.verdict.validity import judge
from tests.metrics.making import back_to_back, cell_run, failure, request, single_file


def flat(value: float, n: int = 10) -> Distribution:
    found = distribution([value] * n)
    assert found is not None
    return found


def good() -> CellSummary:
    """A default run of one user and five requests: TTFT 50 ms, 20 ms a token."""
    return summarise(cell_run(), table(back_to_back(5)))


def verdict(run: CellRun | None = None, **changed: Any) -> CellResult:
    return judge(structs.replace(good(), **changed), run or cell_run(), Slo())


def problem(result: CellResult) -> str:
    assert len(result.problems) == 1, result.why
    return f"{result.problems[0].rule}: {result.problems[0].message}"


def test_a_small_honest_run_is_valid() -> None:
    result = judge(good(), cell_run(), Slo())
    assert result.valid
    assert result.notes == ()


@pytest.mark.parametrize(
    ("launched", "note"),
    [
        (
            {"ssh_tunnel": True},
            "requests and answers go through an SSH tunnel (--llm-ssh-tunnel), whose time is in "
            "TTFT and in every gap",
        ),
        (
            {"gpus": ("MIG-11",)},
            "GPU utilisation, power and energy are not known: NVML tells them of a whole GPU, not "
            "of an instance by MIG",
        ),
    ],
)
def test_how_a_server_was_reached_or_seen_is_noted(launched: dict[str, Any], note: str) -> None:
    run = cell_run()
    launch = structs.replace(run.endpoint.launch, **launched)
    run = structs.replace(run, endpoint=structs.replace(run.endpoint, launch=launch))
    assert judge(good(), run, Slo()).notes == (note,)


def test_a_run_of_millisecond_tokens_is_valid() -> None:
    records = back_to_back(5, ttft_ms=3.0, gap_ms=1.0, tokens=8, idle_ms=0.4)
    records = [structs.replace(r, client_lag_ns=900_000) for r in records]
    assert judge(summarise(cell_run(), table(records)), cell_run(), Slo()).valid


def test_unequal_users_of_one_request_each_are_valid() -> None:
    records = [request(user=u, tokens=5 + 40 * u) for u in range(4)]
    result = judge(summarise(cell_run(Users(4)), table(records)), cell_run(Users(4)), Slo())
    assert result.valid, result.why
    assert result.notes == (
        "too few requests to cut start and drain off: the window is the whole cell",
    )


def test_a_ramp_has_no_window_of_its_own() -> None:
    run = cell_run(Ramp((1, 2), 0.3))
    records = back_to_back(6) + back_to_back(3, user=1, start_ms=390.0)
    result = judge(summarise(run, table(records)), run, Slo())
    assert (result.why, result.notes) == ("", ())


def test_no_request_measured() -> None:
    result = judge(summarise(cell_run(), table([])), cell_run(), Slo())
    assert problem(result) == "no_requests: no request was measured: ask for at least one"


def test_all_failed() -> None:
    records = [failure(), failure(10.0), failure(20.0, kind="cut")]
    result = judge(summarise(cell_run(), table(records)), cell_run(), Slo())
    assert problem(result) == (
        "no_success: none of 3 requests succeeded (cut 1, http_5xx 2): see the errors in the "
        "cell's requests file and the server's log"
    )


def test_requests_that_were_sent_again() -> None:
    result = verdict(resent=1, requests=100)
    assert result.valid
    assert result.notes == (
        "1 of 100 requests never reached the server, which closed their connections meanwhile, "
        "and were sent again",
    )
    assert problem(verdict(resent=2, requests=100)) == (
        "resent: 2 requests of 100 had to be sent again, limit 1%: the server closed their "
        "connections unread; raise its keep-alive time, or see its log"
    )


def test_error_rate() -> None:
    result = verdict(error_rate=0.06, requests=100, errors={"stalled": 6})
    assert problem(result) == (
        "error_rate: 6.0% of 100 requests failed (stalled 6), limit 5%: the times are of the "
        "survivors only; lower the load or see the server's log"
    )


def test_a_few_errors_are_noted() -> None:
    result = verdict(error_rate=0.01, requests=100, errors={"stalled": 1})
    assert result.valid
    assert result.notes == ("1.00% of the requests failed (stalled 1)",)


def test_output_length() -> None:
    assert problem(verdict(output_length_hit_rate=0.4)) == (
        "output_length: only 40% of the outputs are within 10 % of the length asked for, limit "
        "50%: use an API that can ignore the end of text, or ask for shorter outputs"
    )


def test_lengths_that_miss_a_little_are_noted() -> None:
    result = verdict(output_length_hit_rate=0.8, input_length_hit_rate=0.9)
    assert result.valid
    assert result.notes == (
        "80% of the outputs are within 10 % of the length asked for",
        "90% of the prompts are within 10 tokens of the length asked for",
    )


def test_client_lag_is_limited_by_the_time_of_a_token() -> None:
    token = flat(30.0)
    assert verdict(client_lag_ms=flat(30.0), time_per_token_ms=token).valid
    assert problem(verdict(client_lag_ms=flat(30.5), time_per_token_ms=token)) == (
        "client_lag: the client read its data 30.5 ms after it had arrived (median of each "
        "request's longest), limit 30.0 ms: it was starved of CPU; give it a core of its own, more "
        "workers (--llm-workers) or fewer users"
    )


def test_more_workers_are_advised_only_where_there_are_cores_for_them() -> None:
    def advice(workers: int, cores: tuple[int, ...]) -> str:
        run = structs.replace(cell_run(), workers=workers, client_cores=cores)
        return problem(verdict(run, client_lag_ms=flat(90.0))).partition("its own, ")[2]

    assert advice(1, (1,)) == (
        "more cores (--llm-cores gives the server fewer) with a worker on each (--llm-workers) or "
        "fewer users"
    )
    assert advice(1, (1, 2)) == advice(4, ()) == "more workers (--llm-workers) or fewer users"


def test_client_lag_has_a_floor_for_fast_tokens() -> None:
    assert verdict(client_lag_ms=flat(19.0), time_per_token_ms=flat(1.0)).valid
    assert not verdict(client_lag_ms=flat(21.0), time_per_token_ms=flat(1.0)).valid


def test_schedule_delay_matters_in_open_loop() -> None:
    late = {"schedule_delay_ms": flat(8.0), "little_residual": 0.0}
    assert verdict(cell_run(Users(1)), **late).valid
    assert problem(verdict(cell_run(Arrivals(1.0)), **late)) == (
        "schedule_delay: requests left 8.0 ms after their deadline (p95), limit 5.0 ms: the client "
        "couldn't keep the schedule; use more workers (--llm-workers) or a lower rate"
    )


def test_delivered_share() -> None:
    assert problem(verdict(delivered_share=0.85)) == (
        "delivered_share: only 85% of the asked load reached the server, limit 90%: the client was "
        "busy between requests; give it a core of its own, more workers (--llm-workers) or fewer "
        "users"
    )


def test_delivered_share_names_dropped_arrivals() -> None:
    assert problem(verdict(delivered_share=0.85, dropped=3)) == (
        "delivered_share: only 85% of the asked load reached the server, limit 90%: 3 requests "
        "found too many others in flight and were dropped; lower the rate or raise max_in_flight"
    )


def test_littles_law_allows_for_the_windows_ends() -> None:
    assert verdict(little_residual=0.24).valid
    assert problem(verdict(little_residual=0.3)) == (
        "little_residual: requests in flight and rate x latency differ by 30% (Little's law), "
        "limit 25%: the load was not steady or records are missing; measure for longer"
    )


def test_bounded_first_tokens() -> None:
    assert problem(verdict(ttft_bounded_share=0.5, ttft_uncertainty_ms=12.0)) == (
        "ttft_bounded: in 50% of the requests the first token was read together with later data, "
        "so TTFT may be up to 12.0 ms less than shown; limit 10%: give the client a core of its "
        "own or fewer users, or look for a proxy that buffers"
    )


def test_a_single_bounded_first_token_is_noted() -> None:
    result = verdict(ttft_bounded_share=0.2, ttft_uncertainty_ms=12.0)
    assert result.valid
    assert result.notes == (
        "in 20% of the requests the first token was read with later data: it may have come up to "
        "12.0 ms earlier",
    )


def test_the_servers_own_words_say_why_requests_failed() -> None:
    told = [failure(error=f"HTTP 401: no key (request 9f8e7d6c{n})", user=n) for n in range(3)]
    slow = failure(error="no token within 120 s", kind="first_token_timeout", user=3)
    assert problem(judged([*told, slow])) == (
        "no_success: none of 4 requests succeeded (first_token_timeout 1, http_5xx 3): 3 × "
        "“HTTP 401: no key (request …)”, 1 × “no token within 120 s”; see the errors in the "
        "cell's requests file and the server's log"
    )
    some = problem(judged([*back_to_back(6, user=9), *told]))
    assert "33.3% of 9 requests failed (http_5xx 3), 3 × “HTTP 401: no key" in some


def judged(records: list[RequestRecord]) -> CellResult:
    return judge(summarise(cell_run(), table(records)), cell_run(), Slo())


def test_prompts_that_the_server_cut() -> None:
    """As Ollama does to what does not fit into its context."""
    nearly = judged(back_to_back(5, prompt_tokens=8000, input_tokens=7300))
    assert "short_prompts" not in {problem.rule for problem in nearly.problems}
    assert problem(judged(back_to_back(5, prompt_tokens=8000, input_tokens=4096))) == (
        "short_prompts: in 100% of the requests the server processed only 4,096 of 8,000 prompt "
        "tokens, limit 5%: raise its context (Ollama's with --llm-request-add '{\"options\": "
        '{"num_ctx": …}}\') or ask for fewer input tokens; if the context is large enough, the '
        "tokenizer is not the model's"
    )


def test_the_simulators_own_count_of_a_prompt_is_not_held_against_the_tokenizers() -> None:
    run = cell_run()
    run = structs.replace(run, endpoint=structs.replace(run.endpoint, simulated=True))
    records = back_to_back(5, prompt_tokens=8000, input_tokens=4096)
    assert judge(summarise(run, table(records)), run, Slo()).valid


def test_outputs_counted_by_their_events_are_noted() -> None:
    result = judged(back_to_back(5, counted_by="events", requested_output_tokens=99))
    assert result.valid  # events may hold several tokens: too few of them prove nothing
    assert result.notes == (
        "in 100% of the answers the server gave no token count: each event with text counts as "
        "one output token",
    )


def test_an_unknown_finish_reason_is_noted() -> None:
    result = judged([*back_to_back(4), request(600.0, finish_reason="paused", request=5)])
    assert result.summary.unknown_finishes == {"paused": 1}
    assert "1 of the answers ended with the unknown finish reason 'paused'" in result.notes


def test_estimated_tokens_of_events_are_noted() -> None:
    assert verdict(estimated_tokens_share=0.5).notes == (
        "50% of the outputs came in events of several tokens of which the server told only the "
        "sum: time per token and inter-token latency take them as equally large; the time between "
        "chunks (chunk_gap_ms) is as it was",
    )


def test_bounded_events_are_noted() -> None:
    result = verdict(bounded_share=0.5)
    assert result.valid
    assert result.notes == (
        "50% of the token events shared a read with later data: inter-token percentiles are bounds",
    )


def test_clock_step() -> None:
    assert verdict(clock_step_ms=2.5).valid
    assert problem(verdict(clock_step_ms=3.0)) == (
        "clock_step: the wall clock moved by 3.0 ms during a request, limit 2.5 ms, and the "
        "kernel's stamps with it: run again once the clock is in step"
    )


def test_clock_steps_do_not_touch_stamps_taken_in_user_space() -> None:
    result = verdict(clock_step_ms=3.0, reader_clock_share=1.0)
    assert result.valid
    assert result.notes == ("100% of the requests were stamped in user space, not by the kernel",)


def test_server_died() -> None:
    result = verdict(cell_run(server_died="OOM killed, exit code 137"))
    assert problem(result) == (
        "server_died: the server died in the middle of the cell: OOM killed, exit code 137; see "
        "its log"
    )


def test_a_server_that_never_started_is_one_problem() -> None:
    run = cell_run(server_died="exit code 137")
    slo = Slo(ttft_ms={"p50": 1.0})
    result = judge(summarise(run, table([])), run, slo)
    assert [p.rule for p in result.problems] == ["server_died"]
    assert result.slo_misses == ()


def test_a_server_that_never_answered_is_the_only_problem() -> None:
    run = cell_run(launch_error="container out of memory (limit 128m); give it more memory")
    result = judge(summarise(run, table([])), run, Slo(ttft_ms={"p50": 1.0}))
    assert problem(result) == (
        "not_launched: the server did not start: container out of memory (limit 128m); "
        "give it more memory"
    )
    assert result.slo_misses == ()


def test_a_lost_worker_is_told_with_its_reason() -> None:
    told = problem(verdict(run=cell_run(workers_lost=("worker 1: killed by signal 9",))))
    assert told.startswith("worker_died: a load generating process died and took 0 requests")
    assert "(worker 1: killed by signal 9)" in told


def test_worker_died() -> None:
    assert problem(verdict(errors={"worker_died": 2})) == (
        "worker_died: a load generating process died and took 2 requests with it: run the cell "
        "again; memory of the client's host is the usual reason"
    )


def replica(url: str, requests: int, failed: int) -> ReplicaSummary:
    return ReplicaSummary(url, requests, failed, 1.0, 10.0, 50.0, 20.0)


def test_an_instance_that_fails_is_named() -> None:
    parts = (replica("http://a", 100, 5), replica("http://b", 40, 3))
    assert problem(verdict(replicas=parts)) == (
        "replica_failed: instance 2 (http://b) failed 3 of 40 requests, limit 5% of each: what the "
        "others carried is not the load that was asked for; see its log"
    )


def test_an_instance_without_a_request_is_noted() -> None:
    result = verdict(replicas=(replica("http://a", 5, 0), replica("http://b", 0, 0)))
    assert result.valid
    assert result.notes == ("of 2 instances these got no request: 2",)


def test_stolen_time_is_reason_for_doubt() -> None:
    result = verdict(steal_share=0.034)
    assert result.valid
    assert result.notes == (
        "the hypervisor gave 3.4% of the time of the server's cores to others, more than 2%: doubt "
        "these numbers, and run again when the host is quiet",
    )
    assert verdict(steal_share=0.02).notes == ()


def test_throttled_without_a_limit() -> None:
    assert problem(verdict(throttled_share=0.2)) == (
        "throttled: the server's CPU was throttled for 20% of the time though no limit was asked "
        "for, limit 5%: lift the quota of the host or give --llm-cores"
    )


def test_throttling_by_the_limit_that_was_asked_is_noted() -> None:
    run = cell_run()
    limited = structs.replace(run, cell=structs.replace(run.cell, limits=Limits(0.5)))
    result = verdict(limited, throttled_share=0.2)
    assert result.valid
    assert result.notes == (
        "the server's CPU quota held it back 20% of the time, as its limit asks",
    )


def test_a_cell_that_did_not_end() -> None:
    result = judge(good(), cell_run(), Slo(), ended=False)
    assert problem(result) == (
        "did_not_end: the run ended before this cell did, after 5 requests: its numbers are of a "
        "part; run the cell again"
    )


def test_the_runs_own_notes_come_first() -> None:
    result = verdict(cell_run(notes=("one core only",)), cached_share=0.25)
    assert result.notes == (
        "one core only",
        "25.0% of the prompt tokens came from the server's cache",
    )


@pytest.mark.parametrize("simulated", [True, False])
def test_stamp_of_an_invalid_cell(simulated: bool) -> None:
    result = verdict(delivered_share=0.5, simulated=simulated)
    assert result.stamp == ("SIMULATED INVALID" if simulated else "INVALID")


def open_run(rate_per_s: float) -> CellRun:
    return cell_run(Arrivals(rate_per_s, "constant"))


def test_a_server_that_cannot_keep_up_is_an_answer() -> None:
    run = open_run(3.0)
    records = single_file(3.0, 30.0)
    result = judge(summarise(run, table(records)), run, Slo(ttft_ms={"p50": 1e9}))
    assert (result.valid, result.outcome, result.stamp) == (True, "overloaded", "OVERLOADED")
    assert not result.meets_slo
    assert result.why == (
        "the server could not sustain 3 requests/s: it did 2.02/s, its capacity, and requests in "
        "flight grew by 0.98/s (at least 0.76/s); latencies are of the moment: they grow for as "
        "long as the load lasts"
    )


def test_arrivals_that_end_before_the_server_has_filled_up_are_not_steady() -> None:
    run = open_run(10.0)
    records = [request(100.0 * n, ttft_ms=500.0) for n in range(5)]
    assert problem(judge(summarise(run, table(records)), run, Slo())) == (
        "not_steady: the load was never steady: requests took up to 0.58 s, and an empty server "
        "needs that long to fill up, but arrivals ended before; measure for longer "
        "(--llm-duration), at least twice that"
    )


def test_drops_and_timeouts_of_an_overloaded_server_are_its_answer() -> None:
    run = open_run(3.0)
    due_ms = [20_000.0 + 1e3 * n / 3 for n in range(30)]
    lost = [failure(at, kind="dropped", took_ms=0.0, sent_ns=None) for at in due_ms]
    result = judge(summarise(run, table(single_file(3.0, 20.0) + lost)), run, Slo())
    assert result.outcome == "overloaded", result.why


def test_an_open_loop_that_went_on_for_longer_says_so() -> None:
    run = cell_run(Arrivals(2.0, "constant", duration_s=20.0))
    records = [request(500.0 * n, ttft_ms=9920.0) for n in range(60)]
    result = judge(summarise(run, table(records)), run, Slo())
    assert result.notes == (
        "arrivals went on for 10 s beyond the 20 s asked: so long does the server, empty at "
        "first, take to fill up",
    )


def test_a_trial_that_was_cut_short_misses_the_slo_and_is_valid() -> None:
    run = cell_run(Arrivals(2.0, "constant", duration_s=20.0), cut_short="its p50 is lost")
    flying = [failure(500.0 * n, kind="cancelled", took_ms=900.0) for n in range(4)]
    result = judge(summarise(run, table(flying)), run, Slo())
    assert (result.valid, result.meets_slo) == (True, False)
    assert result.why == "the trial ended before its time: its p50 is lost"
    assert (result.summary.cancelled, result.summary.requests) == (4, 0)
