"""Charts of what a server can take and costs: a ramp with its knee, and cost against load."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmbench.config import ModelConfig
from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import money, number, plural
from llmbench.report.run_curves import Curve, cost_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GROUP = "capacity"
MOST_LINES = 12
MOST_NUMBERED = 5  # lines of which each point is numbered; of more, their ends


def ramp_data(curve: Curve) -> "pd.DataFrame":
    """A row for each step of a ramp: users, requests/s, latency p50 and p95, how many failed."""
    import pandas as pd

    rows = []
    for point in curve.points:
        latency = point.summary.latency_ms
        rows.append(
            {
                "users": point.load,
                "requests_per_s": point.summary.requests_per_s,
                "p50_ms": latency.p50 if latency else None,
                "p95_ms": latency.p95 if latency else None,
                "n": point.summary.in_window,
                "failed": point.summary.failed,
            }
        )
    return pd.DataFrame(rows).astype(float)


def ramp_chart(curve: Curve, stamp: str) -> Chart | None:
    """Requests/s and latency of each step of a ramp; knee, sustained load and peak are marked."""
    table = ramp_data(curve)
    if len(table) < 2 or not (table["requests_per_s"] > 0).any():
        return None
    findings = curve.findings
    title = f"{curve.config}: {ramp_finding(curve)}"
    marks = [
        ("knee", findings.knee, "D"),
        ("latency sound up to", findings.sustained, "s"),
        ("peak", findings.peak, "^"),
    ]
    with theme.style():
        figure, axes = layout.panels(2, 1, each_in=1.9, sharex=True)
        top, low = axes[0][0], axes[1][0]
        blue, orange = list(theme.palette(["a", "b"]).values())
        top.plot(table["users"], table["requests_per_s"], color=blue, marker="o", ms=4)
        low.plot(table["users"], table["p50_ms"], color=orange, marker="o", ms=4)
        low.fill_between(table["users"], table["p50_ms"], table["p95_ms"], color=orange, alpha=0.2)
        handles = [_mark(top, *mark) for mark in marks if mark[1] is not None]
        if findings.latency_limit_ms is not None:
            low.axhline(findings.latency_limit_ms, color=theme.BAD, lw=1.2, dashes=(4, 3))
        top.set_ylabel("requests/s")
        low.set_ylabel("latency, ms")
        low.set_xlabel("users")
        theme.users_axis(low, list(table["users"]))
        top.set_ylim(0, 1.12 * table["requests_per_s"].fillna(0).max() or 1.0)
        theme.log_if_wide(low, table[["p50_ms", "p95_ms"]].stack())
        cell = curve.cell
        note = (
            f"Ramp, {cell.lengths_text}; n = {int(table['n'].min())}"
            f" to {int(table['n'].max())} requests a step; latency: p50, shaded to p95; dashed:"
            f" {findings.rule.factor:g}× the least load's {findings.rule.percentile}."
        )
        layout.finish(figure, title, note, stamp, handles, between_in=(0, 0.25), above_in=0.1)
    return Chart(f"ramp-{curve.cell.id}", GROUP, title, f"{title}. {note}", figure)


def ramp_finding(curve: Curve) -> str:
    """A line that says where the ramp bends and how far it goes."""
    findings = curve.findings
    words = []
    if findings.sustained is not None:
        rate = number(findings.sustained.requests_per_s)
        words.append(
            f"{rate} requests/s without losing latency ({_users(findings.sustained.load)})"
        )
    if findings.knee is not None:
        words.append(f"knee at {_users(findings.knee.load)}")
    if findings.peak is not None and not words:
        words.append(f"peak at {_users(findings.peak.load)}")
    return ", ".join(words) or "no step answered a request"


def _users(load: float) -> str:
    return plural(int(load), "user")


def _mark(axis: "Axes", label: str, point: Any, marker: str) -> Any:
    axis.plot(
        [point.load], [point.requests_per_s], marker, ms=12, mfc="none", mec=theme.INK, mew=1.6
    )
    from matplotlib.lines import Line2D

    text = f"{label}: {number(point.requests_per_s)} requests/s, {_users(point.load)}"
    return Line2D([], [], ls="", marker=marker, ms=9, mfc="none", mec=theme.INK, label=text)


def cost_data(curve: Curve, config: ModelConfig) -> "pd.DataFrame":
    """A row for each load: requests/s, US dollars for 1,000 requests, whether it was sound."""
    import pandas as pd

    rows = []
    for point in curve.points:
        paid = cost_of(config, curve, point)
        if paid is not None:
            usd, sound = paid.per_1000_requests_usd, point.load in curve.sound
            rows.append((point.load, point.requests_per_s, usd, sound))
    return pd.DataFrame(rows, columns=["load", "requests_per_s", "usd", "sound"])


Priced = tuple[Curve, "pd.DataFrame"]


def cost_chart(curves: Sequence[Curve], config: ModelConfig, stamp: str) -> Chart | None:
    """The cost of 1,000 requests against load, a line for each length; None without two loads."""
    price = config.price
    tables = [(curve, cost_data(curve, config)) for curve in curves]
    drawable = [(curve, table) for curve, table in tables if len(table) > 1]
    if not drawable or price is None:
        return None
    title = f"{config.name}: {cost_finding(tables)}"
    cheapest = min(range(len(drawable)), key=lambda k: float(drawable[k][1]["usd"].min()))
    places = sorted({*theme.spread(len(drawable), MOST_LINES), cheapest})
    shown = [drawable[k] for k in places]
    with theme.style():
        figure, axes = layout.panels(1, 1)
        few = len(shown) <= MOST_NUMBERED
        handles = [_cost_line(axes[0][0], k, *pair, few=few) for k, pair in enumerate(shown)]
        axes[0][0].set(xlabel="requests/s", ylabel="US dollars for 1,000 requests")
        axes[0][0].set_xlim(left=0)
        axes[0][0].set_ylim(bottom=0)
        use = f" at {100 * price.utilisation:g} % use" if price.utilisation < 1 else ""
        beyond = "misses the SLO" if curves[0].by_slo else "beyond what keeps latency sound"
        note = (
            f"Price of {price.date}, {price.region}, {price.source}{use}. Numbers at points: load."
            f" Hollow: {beyond}.{theme.drawn(_cells(shown), _cells(tables))}"
        )
        layout.finish(figure, title, note, stamp, handles, above_in=0.1)
    return Chart(f"cost-{config.name}", GROUP, title, f"{title}. {note}", figure)


def _cells(tables: Sequence[Priced]) -> int:
    return sum(len(table) for _, table in tables)


def cost_finding(tables: Sequence[Priced]) -> str:
    """The least that 1,000 requests cost at any load of any length that was served well."""
    served = [(curve, table[table["sound"]]) for curve, table in tables]
    served = [(curve, table) for curve, table in served if len(table)]
    if not served:
        missed = "no load met the SLO" if tables[0][0].by_slo else "no load was served well"
        return f"what 1,000 requests cost is not known: {missed}"
    curve, table = min(served, key=lambda pair: float(pair[1]["usd"].min()))
    best = table.sort_values("usd").iloc[0]
    place = curve.cell.lengths_text.replace(" ·", ",")
    limits = f"{curve.cell.limits.text}, " if curve.cell.limits.suffix else ""
    return (
        f"1,000 requests cost at least {money(best['usd'])},"
        f" at {number(best['requests_per_s'])} requests/s ({limits}{place})"
    )


def _cost_line(axis: "Axes", k: int, curve: Curve, table: "pd.DataFrame", *, few: bool) -> Any:
    """A line of costs over loads, whose points are numbered, or only its ends if it is not of few.

    Its entry of the legend comes back.
    """
    from matplotlib.lines import Line2D

    colour, marker = theme.look(k)
    axis.plot(table["requests_per_s"], table["usd"], color=colour, lw=1.8)
    for place, row in table.iterrows():
        face = colour if row["sound"] else theme.PAPER
        axis.plot(row["requests_per_s"], row["usd"], marker, color=colour, mfc=face, ms=6.5)
        if not (few or place in (table.index[0], table.index[-1])):
            continue
        theme.label(axis, f"{row['load']:g}", row["requests_per_s"], row["usd"])
    cell = curve.cell
    limits = f"{cell.limits.text} · " if cell.limits.suffix else ""
    label = f"{limits}{cell.lengths_text}"
    return Line2D([], [], color=colour, marker=marker, label=label)
