"""What a reader wants first of each model: best latency, top load, peak, size, cost."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.config import ModelConfig
from llmbench.report.gather import RunData
from llmbench.report.words import known, milliseconds, number, percent, plural, size

if TYPE_CHECKING:
    import pandas as pd


class Tile(Struct, frozen=True):
    """One figure of the first screen; `value` is None where it is not known, `note` says why."""

    label: str
    value: str | None
    unit: str
    note: str


class Line(Struct, frozen=True):
    """One configuration at one input × output, with the same tiles as the card's own."""

    name: str
    tiles: tuple[Tile, ...]


class Headline(Struct, frozen=True):
    """A model's card: the verdict, the tiles of its most telling line, all lines, what next."""

    model: str
    title: str
    subtitle: str
    stamp: str
    state: str  # valid, invalid, misses: for the eye
    verdict: str
    shown: str  # the line that the tiles are of, '' where there is only one
    tiles: tuple[Tile, ...]
    lines: tuple[Line, ...]
    advice: tuple[str, ...]


def headlines(data: RunData) -> tuple[Headline, ...]:
    """A card for each model, in the order in which they ran."""
    return tuple(headline(data, str(model)) for model in dict.fromkeys(data.merged["model"]))


def headline(data: RunData, name: str) -> Headline:
    """The card of one model."""
    from llmbench.report.advice import advice

    rows = data.merged[data.merged["model"] == name]
    model = next((m for m in data.info.models if m.name == name), None)
    groups = lines_of(rows)
    lines = tuple(Line(text, tuple(tiles(data, group))) for text, group in groups)
    main = main_line([group for _, group in groups])
    state, verdict = verdict_of(rows)
    stamp = "SIMULATED" if rows["simulated"].any() else ""
    return Headline(
        name, model.title if model else name, _subtitle(model), stamp, state, verdict,
        lines[main].name if len(lines) > 1 else "", lines[main].tiles, lines,
        advice(data, rows),
    )  # fmt: skip


def _subtitle(model: ModelConfig | None) -> str:
    if model is None:
        return ""
    kind = type(model.server).__struct_config__.tag
    return f"{model.model} · {kind} server · {model.api}"


_KEYS = ["config", "requested_input_tokens", "requested_output_tokens"]


def failures_text(failed: int, requests: int) -> str:
    """How many requests failed, in words."""
    if not requests:
        return "no request was measured"
    if not failed:
        return f"none of {plural(requests, 'request')} failed"
    return f"{failed:,} of {plural(requests, 'request')} failed ({percent(failed / requests)})"


def lines_of(rows: "pd.DataFrame") -> "list[tuple[str, pd.DataFrame]]":
    """The rows of each configuration at each input × output, with a name for it."""
    several = rows["config"].nunique() > 1
    found = []
    for _, group in rows.groupby(_KEYS, sort=True):
        first = group.iloc[0]
        inputs, outputs = int(first[_KEYS[1]]), int(first[_KEYS[2]])
        limits = f"{limits_text(first)} · " if several else ""
        found.append((f"{limits}in {inputs} · out {outputs}", group))
    return found


def limits_text(row: Any) -> str:
    """``2 cores, 4 GiB``; ``no limits`` where there are none."""
    words = []
    if known(row["cores"]):
        words.append(f"{row['cores']:g} core{'' if row['cores'] == 1 else 's'}")
    if known(row["memory_limit_bytes"]):
        words.append(size(row["memory_limit_bytes"]))
    return ", ".join(words) or "no limits"


def main_line(groups: "list[pd.DataFrame]") -> int:
    """The line with the most cells; of equal ones the one with the most output tokens/s."""
    return max(
        range(len(groups)),
        key=lambda k: (len(groups[k]), groups[k]["output_tokens_per_s"].fillna(0).max(), k),
    )


def verdict_of(rows: "pd.DataFrame") -> tuple[str, str]:
    """A word for the eye, and a sentence: validity first, then the SLO."""
    cells, valid = len(rows), int(rows["valid"].sum())
    missed = int((rows["valid"] & ~rows["meets_slo"]).sum())
    tail = failures_text(int(rows["failed"].sum()), int(rows["requests"].sum()))
    if valid == 0:
        return "invalid", f"INVALID: no cell of {cells} can be trusted; {tail}"
    if valid < cells:
        word, count = "misses", f"{valid} of {plural(cells, 'cell')} valid"
    else:
        word, count = "valid", f"all {plural(cells, 'cell')} valid" if cells > 1 else "valid"
    if missed:
        count += f", {missed} of them miss the SLO"
        word = "misses" if word == "valid" else word
    return word, f"{count[0].upper()}{count[1:]}; {tail}"


def tiles(data: RunData, group: "pd.DataFrame") -> Iterator[Tile]:
    """The figures of one line; each says in its note what it is of."""
    valid = group[group["valid"]] if group["valid"].any() else group
    yield _best(valid)
    yield _peak(valid)


def _best(group: "pd.DataFrame") -> Tile:
    closed = group[(group["load"] == "users") & group["latency_ms_p50"].notna()]
    if closed.empty:
        return Tile("Best latency", None, "", "no closed-loop cell succeeded")
    row = closed.sort_values("users").iloc[0]
    value, _, unit = milliseconds(row["latency_ms_p50"]).partition(" ")
    parts = [f"p50 with {plural(int(row['users']), 'user')}"]
    if known(row["ttft_ms_p50"]):
        parts.append(f"TTFT {milliseconds(row['ttft_ms_p50'])}")
    if known(row["time_per_token_ms_p50"]):
        parts.append(f"{number(row['time_per_token_ms_p50'])} ms/token")
    return Tile("Best latency", value, unit, ", ".join(parts))


def _peak(group: "pd.DataFrame") -> Tile:
    measured = group[group["output_tokens_per_s"].notna()]
    if measured.empty:
        return Tile("Peak throughput", None, "", "no cell succeeded")
    row = measured.sort_values("output_tokens_per_s").iloc[-1]
    load = f"{number(row['rate_per_s'])} requests/s asked"
    if known(row["users"]):
        load = f"with {plural(int(row['users']), 'user')}"
    note = f"{load}; {number(row['input_tokens_per_s'])} input tokens/s beside it"
    return Tile("Peak throughput", number(row["output_tokens_per_s"]), "out tokens/s", note)
