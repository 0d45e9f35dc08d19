"""The figures of each model that a reader wants first: best latency, top load, peak, size, cost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from llmbench.config import ModelConfig
from llmbench.prices import price_list
from llmbench.report.numbers import milliseconds, money, number, percent, plural
from llmbench.report.read import RunData
from llmbench.report.run_curves import Curve, best_served, config_of, cost_of, curves_of
from llmbench.value_types import Price

if TYPE_CHECKING:
    import pandas as pd

    from llmbench.metrics import Point, Sizing


class Tile(Struct, frozen=True):
    """One figure of the first screen; where `value` is None (not known), `note` says why."""

    label: str
    value: str | None
    unit: str
    note: str


class CurveLine(Struct, frozen=True):
    """One configuration at one input × output, with the same tiles as the card has."""

    name: str
    tiles: tuple[Tile, ...]


class Headline(Struct, frozen=True):
    """A model's card: the verdict, the tiles of its most telling line, all lines, and advice."""

    model: str
    title: str
    subtitle: str
    stamp: str
    state: str  # valid, invalid or misses, which gives the colour
    verdict: str
    shown: str  # the line whose tiles are shown; '' where there is only one
    tiles: tuple[Tile, ...]
    lines: tuple[CurveLine, ...]
    advice: tuple[str, ...]


def headlines(data: RunData) -> tuple[Headline, ...]:
    """A card for each model, in the order in which they ran."""
    return tuple(headline(data, str(model)) for model in dict.fromkeys(data.merged["model"]))


def headline(data: RunData, name: str) -> Headline:
    """The card of one model."""
    from llmbench.metrics import sizing_of
    from llmbench.report.advice import advice

    rows = data.merged[data.merged["model"] == name]
    model = next((m for m in data.info.models if m.name == name), None)
    curves = [curve for curve in curves_of(data) if curve.model == name]
    sizes = sizing_of(data.results, name, model)
    several = len({curve.config for curve in curves}) > 1
    lines = tuple(
        CurveLine(line_name(curve, several), tuple(tiles(data, curve, sizes))) for curve in curves
    )
    main = main_curve(curves, sizes)
    state, verdict = verdict_of(rows)
    stamp = "SIMULATED" if rows["simulated"].any() else ""
    return Headline(
        name,
        model.title if model else name,
        _subtitle(model),
        stamp,
        state,
        verdict,
        lines[main].name if len(lines) > 1 else "",
        lines[main].tiles if lines else (),
        lines,
        advice(data, rows),
    )


def _subtitle(model: ModelConfig | None) -> str:
    if model is None:
        return ""
    kind = type(model.server).__struct_config__.tag
    return f"{model.model} · {kind} server · {model.api}"


def line_name(curve: Curve, several: bool) -> str:
    """The limits (if they differ), the lengths, and the kind of load if it is unusual."""
    cell = curve.cell
    limits = f"{cell.limits.text} · " if several else ""
    kind = ", ramp" if curve.ramp else ", open loop" if cell.shape.is_open_loop else ""
    return f"{limits}{cell.lengths_text}{kind}"


def main_curve(curves: Sequence[Curve], sizes: "Sizing | None") -> int:
    """The index of the curve whose tiles are shown: of the ideal size, if any, with most loads.

    Among equal ones it is the one with the most output tokens/s.
    """
    ideal = sizes.ideal.limits if sizes and sizes.ideal else None

    def weight(k: int) -> tuple[bool, int, float]:
        top = curves[k].findings.peak
        rate = top.summary.output_tokens_per_s if top else None
        return curves[k].cell.limits == ideal, len(curves[k].points), rate or 0.0

    return max(range(len(curves)), key=weight, default=0)


def failures_text(failed: int, requests: int) -> str:
    """How many requests failed, in words."""
    if not requests:
        return "no request was measured"
    if not failed:
        return f"none of {plural(requests, 'request')} failed"
    return f"{failed:,} of {plural(requests, 'request')} failed ({percent(failed / requests)})"


def verdict_of(rows: "pd.DataFrame") -> tuple[str, str]:
    """A word that gives the colour, and a sentence on validity, on overload and on the SLO."""
    cells, valid = len(rows), int(rows["valid"].sum())
    overloaded = int((rows["outcome"] == "overloaded").sum())
    missed = int((rows["valid"] & ~rows["meets_slo"]).sum()) - overloaded
    tail = failures_text(int(rows["failed"].sum()), int(rows["requests"].sum()))
    if valid == 0:
        return "invalid", f"INVALID: no cell of {cells} can be trusted; {tail}"
    if valid < cells:
        word, count = "misses", f"{valid} of {plural(cells, 'cell')} valid"
    else:
        word, count = "valid", f"all {plural(cells, 'cell')} valid" if cells > 1 else "valid"
    if overloaded:
        count += f", {overloaded} of them OVERLOADED"
        word = "misses" if word == "valid" else word
    if missed:
        count += f", {missed} of them miss the SLO"
        word = "misses" if word == "valid" else word
    if undecided := int((rows["valid"] & (rows["slo"] == "undecided")).sum()):
        count += f", too few requests to tell the SLO of {undecided}"
    return word, f"{count[0].upper()}{count[1:]}; {tail}"


def tiles(data: RunData, curve: Curve, sizes: "Sizing | None") -> Iterator[Tile]:
    """The figures of one curve, each with a note that says what it belongs to."""
    yield _best(curve)
    yield _sustained(curve)
    yield _peak(curve)
    yield _size(sizes)
    yield from _cost(data, curve)


def load_text(curve: Curve, load: float) -> str:
    """``with 4 users``, or the rate that was asked for."""
    if curve.cell.shape.is_open_loop:
        return f"at {load:g} requests/s asked"
    return f"with {plural(int(load), 'user')}"


def _best(curve: Curve) -> Tile:
    from llmbench.metrics import latency_ms

    point = curve.findings.best_latency
    if point is None:
        return Tile("Best latency", None, "", "no valid cell has a latency")
    value, _, unit = milliseconds(latency_ms(point)).partition(" ")
    parts = [f"p50 {load_text(curve, point.load)}"]
    ttft, gap = point.summary.ttft_ms, point.summary.time_per_token_ms
    if ttft:
        parts.append(f"TTFT {milliseconds(ttft.p50)}")
    if gap:
        parts.append(f"{number(gap.p50)} ms/token")
    return Tile("Best latency", value, unit, ", ".join(parts))


def _sustained(curve: Curve) -> Tile:
    from llmbench.metrics import latency_ms

    findings, name = curve.findings, "Max RPS without slowdown"
    point, rule = findings.sustained, findings.rule
    if point is None:
        return Tile(name, None, "", "no load that it served well")
    if len(curve.points) < 2:
        return Tile(name, None, "", "only one load was measured")
    latency = milliseconds(latency_ms(point, rule.percentile))
    limit = milliseconds(findings.latency_limit_ms)
    note = (
        f"{load_text(curve, point.load)}, {rule.percentile} latency {latency}"
        f" (limit {rule.factor:g}× the best: {limit})"
    )
    return Tile(name, number(point.requests_per_s), "requests/s", note)


def _peak(curve: Curve) -> Tile:
    point = curve.findings.peak
    if point is None:
        return Tile("Peak throughput", None, "", "no request succeeded")
    summary = point.summary
    missed = "; misses the SLO" if curve.by_slo and point.load not in curve.sound else ""
    note = f"{load_text(curve, point.load)}; {number(summary.input_tokens_per_s)} in tokens/s"
    note += missed
    if curve.findings.knee is not None:
        note += f"; knee {load_text(curve, curve.findings.knee.load)}"
    if summary.inputs_per_s is not None:
        return Tile("Peak throughput", number(summary.inputs_per_s), "inputs/s", note)
    return Tile("Peak throughput", number(summary.output_tokens_per_s), "out tokens/s", note)


def _size(sizes: "Sizing | None") -> Tile:
    if sizes is None:
        return Tile("Ideal size", None, "", "not swept: run benchmarks/test_sizing.py")
    if sizes.ideal is None:
        return Tile("Ideal size", None, "", f"none of {plural(len(sizes.rows), 'size')} will do")
    value, _, unit = sizes.ideal.limits.text.partition(" ")
    note = f"of {plural(len(sizes.rows), 'size')} tried: {sizes.rule}"
    return Tile("Ideal size", value, unit, note)


def _cost(data: RunData, curve: Curve) -> Iterator[Tile]:
    """What requests and tokens cost at the served load at which they cost least."""
    names = "1,000 requests", "1M tokens"
    model, point = config_of(data, curve.model), best_served(curve)
    cost = None if point is None else cost_of(model, curve, point)
    if model is None or model.price is None or point is None or cost is None:
        yield Tile(f"Cost of {names[0]}", None, "", _no_cost(model, curve, point))
        return
    price = model.price
    share = f" at {percent(cost.utilisation)} use" if cost.utilisation < 1 else ""
    machine = f"{price.machine}, " if price.machine else ""
    note = (
        f"{load_text(curve, point.load)}; {machine}{money(cost.usd_per_hour)}/h{share},"
        f" {price.region}, {price.date}"
    )
    yield Tile(f"Cost of {names[0]}", money(cost.per_1000_requests_usd), "", note)
    weighted = (cost.per_million_input_weighted_usd, cost.per_million_output_weighted_usd)
    note = (
        f"and {money(weighted[1])} for 1M out, at {cost.output_weight:g}:1; with all cost on the"
        f" output {money(cost.per_million_output_usd)}{_against(price)}"
    )
    yield Tile(f"Cost of {names[1]}", money(weighted[0]), "in", note)


def _no_cost(model: ModelConfig | None, curve: Curve, point: "Point | None") -> str:
    """Why the cost of a request is not known."""
    if model is None or model.price is None:
        return "no price in the TOML"
    if point is None:
        return "no load met the SLO" if curve.by_slo else "no load that it served well"
    return "the price needs limits of cores and memory"


def _against(price: Price) -> str:
    """What the API asks that the price is to be compared with."""
    api = price_list().apis.get(price.against or "")
    if api is None:
        return ""
    asked = f"{money(api.usd_per_million_input)} in, {money(api.usd_per_million_output)} out"
    return f"; {price.against} asks {asked} ({api.date})"
