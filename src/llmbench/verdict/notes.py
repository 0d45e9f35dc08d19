"""Notes on what is worth knowing about a cell's numbers, but is no reason to doubt them."""

from collections.abc import Iterator

from llmbench.cells import Arrivals, Ramp
from llmbench.records import CellRun
from llmbench.results import CellSummary
from llmbench.verdict.disagreements import disagreements
from llmbench.verdict.hang_up_words import hang_ups_said
from llmbench.verdict.on_the_way import on_the_way
from llmbench.verdict.rules import Rules


def notes(summary: CellSummary, run: CellRun, rules: Rules) -> Iterator[str]:
    """The notes on a cell."""
    ramp = isinstance(summary.cell.shape, Ramp)  # whole by design: its steps are looked at apart
    if summary.window_rule == "whole" and summary.succeeded and not ramp:
        yield "too few requests to cut start and drain off: the window is the whole cell"
    if run.endpoint.closes_connections:
        yield (
            "the server closes each connection after its answer, so every request has a new one; "
            "connecting is not in TTFT"
        )
    if run.endpoint.launch.ssh_tunnel:
        yield (
            "requests and answers go through an SSH tunnel (--llm-ssh-tunnel), whose time is in "
            "TTFT and in every gap"
        )
    for field in run.endpoint.left_out:
        yield f"the server refuses {field.name}, so requests go without it: {field.consequence}"
    yield from _filling(summary, rules)
    yield from _readings(summary)
    yield from _idle(summary)
    yield from _errors(summary, rules)
    yield from _pauses(summary)
    yield from hang_ups_said(summary)
    if summary.resent:
        yield (
            f"{summary.resent} of {summary.requests} requests never reached the server, which "
            "closed their connections meanwhile, and were sent again"
        )
    yield from _lengths(summary, rules)
    yield from _estimates(summary)
    yield from _answers(summary)
    yield from _stamps(summary, rules)
    throttled = summary.throttled_share or 0.0
    if throttled >= rules.throttled_note and run.cell.limits.cores is not None:
        yield (
            f"the server's CPU quota held it back {throttled:.0%} of the time, as its limit asks"
        )
    if summary.gpu_slowed_share:
        yield (
            f"GPUs ran slower than they could in {summary.gpu_slowed_share:.0%} of the samples; "
            "resources.csv says why (power cap, heat, …)"
        )
    if any(name.startswith("MIG-") for name in run.endpoint.launch.gpus):
        yield (
            "GPU utilisation, power and energy are not known: NVML tells them of a whole GPU, not "
            "of an instance by MIG"
        )
    yield from _drafts(summary, run)
    path = list(on_the_way(summary, rules))
    if (summary.steal_share or 0.0) > rules.steal_note:
        yield (
            f"the hypervisor gave {summary.steal_share:.1%} of the time of the server's cores to "
            f"others, more than {rules.steal_note:.0%}: doubt these numbers, and run again when "
            "the host is quiet"
        )
    yield from path or (disagreement.text for disagreement in disagreements(summary, rules))


def _drafts(summary: CellSummary, run: CellRun) -> Iterator[str]:
    """A note on what speculative decoding brought, and on what makes it differ from real use."""
    if summary.accepted_length is None:
        return
    share = summary.draft_acceptance
    accepted = "" if share is None else f", {share:.0%} of the drafts accepted"
    biases = ["the prompts are synthetic"] if run.synthetic_prompts else []
    biases += ["the model is told to ignore its end"] if run.ignores_eos else []
    bias = f"; {' and '.join(biases)}, which biases acceptance" if biases else ""
    yield (f"speculative decoding: {summary.accepted_length:.2f} tokens a step{accepted}{bias}")


def _filling(summary: CellSummary, rules: Rules) -> Iterator[str]:
    """A note on an open loop that went on for longer than was asked."""
    shape, filling_s = summary.cell.shape, summary.filling_s
    asked_s = shape.duration_s if isinstance(shape, Arrivals) and not shape.requests else None
    if asked_s is not None and filling_s is not None and filling_s > rules.filling_note * asked_s:
        yield (
            f"arrivals went on for {filling_s:.3g} s beyond the {asked_s:g} s asked: so long does "
            "the server, empty at first, take to fill up"
        )


def _readings(summary: CellSummary) -> Iterator[str]:
    failed, readings = summary.server_readings_failed, summary.server_readings
    if failed:
        yield (
            f"{failed} of {failed + readings} readings of the server's /metrics failed: "
            "server_metrics.parquet says why"
        )


def _idle(summary: CellSummary) -> Iterator[str]:
    """A note on instances that the load was too small to reach."""
    idle = [str(k) for k, replica in enumerate(summary.replicas, 1) if not replica.requests]
    if idle:
        yield f"of {len(summary.replicas)} instances these got no request: {', '.join(idle)}"


def _errors(summary: CellSummary, rules: Rules) -> Iterator[str]:
    if summary.succeeded and 0 < summary.error_rate <= rules.error_rate:
        kinds = ", ".join(f"{kind} {count}" for kind, count in summary.errors.items())
        yield f"{summary.error_rate:.2%} of the requests failed ({kinds})"


def _lengths(summary: CellSummary, rules: Rules) -> Iterator[str]:
    output, given = summary.output_length_hit_rate, summary.input_length_hit_rate
    if output is not None and rules.output_length_hit_rate <= output < rules.output_length_note:
        yield f"{output:.0%} of the outputs are within 10 % of the length asked for"
    if given is not None and given < rules.input_length_note:
        yield f"{given:.0%} of the prompts are within 10 tokens of the length asked for"
    if summary.cached_share:
        yield f"{summary.cached_share:.1%} of the prompt tokens came from the server's cache"


def _estimates(summary: CellSummary) -> Iterator[str]:
    if summary.estimated_tokens_share:
        yield (
            f"{summary.estimated_tokens_share:.0%} of the outputs came in events of several tokens "
            "of which the server told only the sum: time per token and inter-token latency take "
            "them as equally large; the time between chunks (chunk_gap_ms) is as it was"
        )


def _pauses(summary: CellSummary) -> Iterator[str]:
    if summary.pauses:
        yield (
            f"users paused {summary.pauses} times, {summary.paused_s:.1f} s in all, before they "
            "asked again after the server had refused them"
        )


def _answers(summary: CellSummary) -> Iterator[str]:
    if summary.counted_events_share:
        yield (
            f"in {summary.counted_events_share:.0%} of the answers the server gave no token count: "
            "each event with text counts as one output token"
        )
    for reason, count in summary.unknown_finishes.items():
        yield f"{count} of the answers ended with the unknown finish reason {reason!r}"


def _stamps(summary: CellSummary, rules: Rules) -> Iterator[str]:
    share = summary.bounded_share
    if share is not None and share > rules.bounded_note:
        yield (
            f"{share:.0%} of the token events shared a read with later data: "
            "inter-token percentiles are bounds"
        )
    if summary.ttft_bounded_share and summary.ttft_uncertainty_ms:
        yield (
            f"in {summary.ttft_bounded_share:.0%} of the requests the first token was read with "
            f"later data: it may have come up to {summary.ttft_uncertainty_ms:.1f} ms earlier"
        )
    if summary.reader_clock_share:
        yield (
            f"{summary.reader_clock_share:.0%} of the requests were stamped in user space, "
            "not by the kernel"
        )
