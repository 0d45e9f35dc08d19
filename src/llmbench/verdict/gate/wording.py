"""Puts a verdict into words: lines for a terminal, Markdown for a pull request, JSON."""

from collections.abc import Iterable

import msgspec

from llmbench.verdict.escaping import escaped
from llmbench.verdict.gate.tolerances import COUNTS
from llmbench.verdict.gate.verdicts import Comparison, Verdict


def lines(verdict: Verdict, *, all_rows: bool = False) -> list[str]:
    """A headline, the regressions and faults, then what is undecided; or all, with `all_rows`."""
    text_lines = [headline(verdict)]
    if verdict.differences:
        text_lines += [f"  {difference}" for difference in verdict.differences]
    text_lines += [f"{fault.state} {fault.cell}: {fault.message}" for fault in verdict.faults]
    text_lines += [line(row) for row in verdict.regressions]
    rest = [row for row in verdict.comparisons if row not in verdict.regressions]
    text_lines += [line(row) for row in rest if all_rows or (row.gating and row.state != "PASS")]
    text_lines += [f"note: {note}" for note in verdict.notes]
    return text_lines + [f"warning: {text}: this may move the numbers" for text in verdict.warnings]


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
    if beyond := sum(r.state == "INCONCLUSIVE" and r.beyond for r in gating):
        counts[1] += f" ({beyond} BEYOND THE LIMIT)"
    if verdict.inconclusive == "fail" and verdict.state == "INCONCLUSIVE":
        counts[1] += ", which fails as asked"
    faults = [f"{len(verdict.faults)} not compared"] if verdict.faults else []
    anyway = " (ALTHOUGH THEIR FINGERPRINTS DIFFER)" if verdict.differences else ""
    return f"{stamp}{verdict.state}: {against}: {', '.join(faults + counts)}{anyway}"


def line(row: Comparison) -> str:
    """A line on one metric of one cell.

    It gives baseline -> now, the change with its interval, the limit, and the smallest change that
    would have been caught.
    """
    state = row.state if row.gating else f"advisory {row.state}"
    if row.state == "INCONCLUSIVE" and row.beyond:
        state += ", BEYOND THE LIMIT"
    text = f"{state} {row.cell} {row.metric}: {_values(row)}, {_changes(row)}"
    if row.gating:
        text += f", {_smallest(row)}"
    if row.state == "INCONCLUSIVE" and row.counts is None:
        text += f"; {_open(row)}"
    return text + ("; low power" if row.low_power else "")


def _values(row: Comparison) -> str:
    if row.counts is None:
        return f"{row.old:.4g} -> {row.new:.4g} {row.unit}"
    bad, of, bad_now, of_now = row.counts
    return f"{bad} of {of} -> {bad_now} of {of_now} {COUNTS[row.metric]}"


def _changes(row: Comparison) -> str:
    low, high, limit = percent(row, row.low), percent(row, row.high), _percent(row, row.limit, 0)
    return f"{percent(row, row.change)} ({low} to {high}), limit {limit}"


def percent(row: Comparison, change: float) -> str:
    """A change as it is shown: relative in per cent, or of shares in percentage points."""
    return _percent(row, change, 1)


def _percent(row: Comparison, change: float, digits: int) -> str:
    return f"{change:+.{digits}%}" if row.counts is None else f"{100 * change:+.1f} points"


def _smallest(row: Comparison) -> str:
    if row.smallest is None:
        return "no change could have been caught"
    return f"{percent(row, row.smallest)} would be caught"


def _open(row: Comparison) -> str:
    if row.more_launches is not None:
        plural = "" if row.more_launches == 1 else "es"
        return f"about {row.more_launches} more launch{plural} on each side would tell"
    if row.more_repeats is None and row.beyond and 1 in row.launches:
        return "two launches of the same server may differ by that; more launches would tell"
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
        parts += [
            "",
            "| verdict | cell | metric | baseline | now | change | interval | limit | caught |",
        ]
        parts += ["|---|---|---|--:|--:|--:|--:|--:|--:|"]
        parts += [_row(row) for row in _worst_first(verdict.comparisons)]
        confidence = min(row.confidence for row in verdict.comparisons)
        parts += ["", f"Intervals of {confidence:.0%} or more, of the repeats' shift. Caught: the"]
        parts += ["smallest change that would FAIL in four of five sessions."]
    parts += [f"- {escaped(note)}" for note in verdict.notes]
    parts += [f"- warning: {escaped(text)}" for text in verdict.warnings]
    return "\n".join(parts) + "\n"


def _row(row: Comparison) -> str:
    state = f"**{row.state}**" if row.state == "FAIL" and row.gating else row.state
    if row.state == "INCONCLUSIVE" and row.beyond:
        state += " **beyond the limit**"
    old, new = f"{row.old:.4g} {row.unit}", f"{row.new:.4g} {row.unit}"
    if row.counts is not None:
        old, new = (f"{bad} of {of}" for bad, of in (row.counts[:2], row.counts[2:]))
    caught = "none" if row.smallest is None else percent(row, row.smallest)
    return (
        f"| {state if row.gating else f'{row.state} (advisory)'} | `{row.cell}` | {row.metric} "
        f"| {old} | {new} | {percent(row, row.change)} "
        f"| {percent(row, row.low)} to {percent(row, row.high)} | {_percent(row, row.limit, 0)} "
        f"| {caught} |"
    )


def _worst_first(rows: Iterable[Comparison]) -> list[Comparison]:
    order = ("FAIL", "INCONCLUSIVE", "PASS")
    return sorted(rows, key=lambda row: (not row.gating, order.index(row.state)))


def to_json(verdict: Verdict) -> bytes:
    """The verdict as JSON, with all its rows, its state and whether it failed."""
    whole = msgspec.to_builtins(verdict)
    whole |= {"state": verdict.state, "failed": verdict.failed}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"
