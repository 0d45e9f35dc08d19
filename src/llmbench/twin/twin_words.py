"""What a fit and a prediction print."""

from collections.abc import Iterator, Sequence

import numpy as np

from llmbench.twin.cell_figures import Array
from llmbench.twin.fitting.fit_of_run import RunFit
from llmbench.twin.fitting.held_out import HeldOut
from llmbench.twin.foretelling import ForetoldCell, Interval
from llmbench.twin.step_costs import costs_of
from llmbench.twin.twin_file import Twin

_LINE_WORDS = ("α each step", "β each sequence in it")
_TOKEN_WORDS = ("γ each 1,000 tokens of context", "δ each prompt token")
_TOKEN_FACTORS = (1000, 1)
_KIND_WORDS = ("TTFT (mean)", "time per token", "output tokens/s")
SIMULATED = "SIMULATED: these numbers are not a real server's"


def fit_lines(fit: RunFit) -> Iterator[str]:
    """A fit's costs with their intervals, the limits, and the errors on cells it had not seen."""
    yield f"{title(fit.twin)}: fitted to {len(fit.observed.cells)} cells of {fit.twin.run}"
    if fit.observed.left_out:
        yield f"  left out: {fit.observed.left_out} repeats that are not valid"
    yield ""
    yield f"  {'what a step costs':<34}{'ms':>9}   90 % interval (jackknife over cells)"
    yield from _costs(fit)
    yield f"  {_limits(fit)}"
    yield ""
    yield from _held_out("held out, one cell at a time", fit.one_out)
    if fit.highest_load is None:
        yield "held out, the highest load: too few other numbers of users to tell; add --llm-users"
    else:
        yield from _held_out("held out, the highest load", fit.highest_load)
    yield from _repeats(fit.repeats)


def _costs(fit: RunFit) -> Iterator[str]:
    """What a step costs: a line for each cost, with its interval."""
    steps = fit.twin.steps
    batches = [f"α a step of {n} sequence{'s' * (n > 1)}" for n, _ in steps.batch_times_ms]
    words = (*(batches or _LINE_WORDS), *_TOKEN_WORDS)
    factors = (1,) * (len(words) - len(_TOKEN_WORDS)) + _TOKEN_FACTORS
    costs = zip(words, factors, costs_of(steps), fit.intervals, fit.at_bound, strict=True)
    for what, by, cost, (low, high), at_bound in costs:
        reach = f"{number(by * low)} to {number(by * high)}{': at its bound' * at_bound}"
        yield f"  {what:<34}{number(by * cost):>9}   {reach}"


def title(twin: Twin) -> str:
    """Whose twin it is, and SIMULATED where its numbers are not a real server's."""
    return f"{twin.name}  {SIMULATED}" if twin.simulated else twin.name


def _limits(fit: RunFit) -> str:
    steps = fit.twin.steps
    source = "the likeliest, or as told" if fit.limits_found else "as its configuration says"
    come = "; requests come in turn" if fit.twin.in_turn else ""
    return (
        f"steps: {steps.policy}, {steps.token_budget:,} tokens at most, {steps.most_sequences} "
        f"sequences{come} ({source})"
    )


def _repeats(repeats: HeldOut | None) -> Iterator[str]:
    """How far repeats differ, since that bounds what any twin can be."""
    if repeats is None:
        yield "no cell was repeated, so chance can't be told from error; add --llm-repeats 3"
        return
    yield from _table("one repeat, by the others of its cell", repeats)
    differ = _median(100 * repeats.shares)
    yield (
        f"repeats of a cell differ by {differ:.1f} % (median): "
        "a twin foretells none of them better than that"
    )


def _held_out(words: str, held_out: HeldOut) -> Iterator[str]:
    cells = len(held_out.cell_ids)
    return _table(f"{words} ({cells} cell{'s' if cells > 1 else ''})", held_out)


def _table(words: str, held_out: HeldOut) -> Iterator[str]:
    shares = 100 * held_out.shares
    yield f"{words:<46}median   worst"
    for kind, of_kind in zip(_KIND_WORDS, shares.T, strict=True):
        worst = held_out.cell_ids[int(np.argmax(of_kind))]
        yield f"  {kind:<41}{np.median(of_kind):>6.1f} % {of_kind.max():>5.1f} %  {worst}"
    yield f"  {'all':<41}{_median(shares):>6.1f} % {shares.max():>5.1f} %"


def _median(shares: Array) -> float:
    return float(np.median(shares))


_HEADINGS = ("cell", "TTFT ms", "ms/token", "out tokens/s", "requests/s")


def foretold_lines(twin: Twin, cells: Sequence[ForetoldCell]) -> Iterator[str]:
    """A table of foretold cells, each figure with its interval, and what to doubt."""
    rows = [_HEADINGS, *(_row(cell) for cell in cells)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADINGS))]
    yield f"{title(twin)}: predicted by the twin of {twin.run}; means with 90 % intervals"
    yield ""
    for row in rows:
        first, *others = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join((first, *others)).rstrip()
    for cell in cells:
        name = _name(cell)
        if cell.overloaded:
            served = number(cell.requests_per_s.value)
            yield f"{name}: OVERLOADED: it serves {served} requests/s; its times only grow"
        if cell.outside:
            yield f"{name}: beyond what was fitted: {', '.join(cell.outside)}"


def _name(cell: ForetoldCell) -> str:
    return f"in{cell.input_tokens} out{cell.output_tokens} {cell.load}"


def _row(cell: ForetoldCell) -> tuple[str, ...]:
    figures = (
        cell.ttft_ms,
        cell.time_per_token_ms,
        cell.output_tokens_per_s,
        cell.requests_per_s,
    )
    return (_name(cell), *map(_with_interval, figures))


def _with_interval(figure: Interval | None) -> str:
    if figure is None:
        return "-"
    return f"{number(figure.value)} ({number(figure.low)} to {number(figure.high)})"


def number(value: float) -> str:
    """Three digits."""
    if abs(value) < 5e-4:
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{digits}f}"
