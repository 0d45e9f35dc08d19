"""A verdict in words: lines for a terminal, Markdown for a pull request, JSON for a machine."""

from collections.abc import Iterable

import msgspec

from llmbench.escaping import escaped
from llmbench.verdict.gate.verdicts import Comparison, Verdict


def lines(verdict: Verdict, *, all_rows: bool = False) -> list[str]:
    """A headline, a line for each regression and fault, then what is open; all with `all_rows`."""
    found = [headline(verdict)]
    if verdict.differences:
        found += [f"  {difference}" for difference in verdict.differences]
    found += [f"{fault.state} {fault.cell}: {fault.message}" for fault in verdict.faults]
    found += [line(row) for row in verdict.regressions]
    rest = [row for row in verdict.comparisons if row not in verdict.regressions]
    found += [line(row) for row in rest if all_rows or (row.gating and row.state != "PASS")]
    return found + [f"note: {note}" for note in verdict.notes]


def headline(verdict: Verdict) -> str:
    """The verdict in one line."""
    stamp = "SIMULATED " if verdict.simulated else ""
    against = f"{verdict.run} against {verdict.baseline}"
    if verdict.refused:
        return (
            f"{stamp}REFUSED: {against}: these are not the same, so their numbers can't be "
            "compared (--llm-compare-anyway does, and says so):"
        )
    gating = [row for row in verdict.comparisons if row.gating]
    counts = [f"{sum(r.state == s for r in gating)} {s}" for s in ("FAIL", "INCONCLUSIVE", "PASS")]
    faults = [f"{len(verdict.faults)} not compared"] if verdict.faults else []
    anyway = " (ALTHOUGH THEIR FINGERPRINTS DIFFER)" if verdict.differences else ""
    return f"{stamp}{verdict.state}: {against}: {', '.join(faults + counts)}{anyway}"


def line(row: Comparison) -> str:
    """One metric of one cell: baseline -> now, change with its interval, limit."""
    state = row.state if row.gating else f"advisory {row.state}"
    text = (
        f"{state} {row.cell} {row.metric}: {row.old:.4g} -> {row.new:.4g} {row.unit}, "
        f"{row.change:+.1%} ({row.low:+.1%} to {row.high:+.1%}), limit {row.limit:+.0%}"
    )
    if row.state == "INCONCLUSIVE":
        text += f"; {_open(row)}"
    return text + ("; low power" if row.low_power else "")


def _open(row: Comparison) -> str:
    if row.more_repeats is None:
        return "no number of repeats up to 100 would tell: it lies at the limit"
    plural = "" if row.more_repeats == 1 else "s"
    return f"about {row.more_repeats} more repeat{plural} on each side would tell"


def markdown(verdict: Verdict) -> str:
    """The verdict as a table for a pull request or ``$GITHUB_STEP_SUMMARY``."""
    parts = [f"### {escaped(headline(verdict))}", ""]
    parts += [f"- {escaped(difference)}" for difference in verdict.differences]
    parts += [f"- **{f.state}** `{f.cell}`: {escaped(f.message)}" for f in verdict.faults]
    if verdict.comparisons:
        parts += ["", "| verdict | cell | metric | baseline | now | change | interval | limit |"]
        parts += ["|---|---|---|--:|--:|--:|--:|--:|"]
        parts += [_row(row) for row in _worst_first(verdict.comparisons)]
        confidence = min(row.confidence for row in verdict.comparisons)
        parts += ["", f"Intervals of {confidence:.0%} or more, of the repeats' shift."]
    parts += [f"- {escaped(note)}" for note in verdict.notes]
    return "\n".join(parts) + "\n"


def _row(row: Comparison) -> str:
    state = f"**{row.state}**" if row.state == "FAIL" and row.gating else row.state
    return (
        f"| {state if row.gating else f'{row.state} (advisory)'} | `{row.cell}` | {row.metric} "
        f"| {row.old:.4g} {row.unit} | {row.new:.4g} {row.unit} | {row.change:+.1%} "
        f"| {row.low:+.1%} to {row.high:+.1%} | {row.limit:+.0%} |"
    )


def _worst_first(rows: Iterable[Comparison]) -> list[Comparison]:
    order = ("FAIL", "INCONCLUSIVE", "PASS")
    return sorted(rows, key=lambda row: (not row.gating, order.index(row.state)))


def to_json(verdict: Verdict) -> bytes:
    """The verdict with all its rows, its state and whether it failed."""
    whole = msgspec.to_builtins(verdict)
    whole |= {"state": verdict.state, "failed": verdict.failed}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"
