"""What a reader wants first of each configuration: best latency, top load, peak, size, cost."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report.gather import RunData
from llmbench.report.words import known, milliseconds, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd


class Tile(Struct, frozen=True):
    """One figure of the first screen; `value` is None where it is not known, `note` says why."""

    label: str
    value: str | None
    unit: str
    note: str


class PairRow(Struct, frozen=True):
    """One input × output of a configuration as a row of tiles' values."""

    pair: str
    tiles: tuple[Tile, ...]


class Headline(Struct, frozen=True):
    """A configuration's card: the verdict, the tiles of its widest pair, all pairs, what next."""

    config: str
    title: str
    subtitle: str
    stamp: str
    state: str  # valid, invalid, misses, none: for the eye
    verdict: str
    pair: str
    tiles: tuple[Tile, ...]
    pairs: tuple[PairRow, ...]
    advice: tuple[str, ...]


def headlines(data: RunData) -> tuple[Headline, ...]:
    """A card for each configuration (model and limits), in the order in which they ran."""
    return tuple(headline(data, str(config)) for config in dict.fromkeys(data.merged["config"]))


def headline(data: RunData, config: str) -> Headline:
    """The card of one configuration."""
    from llmbench.report.advice import advice

    rows = data.merged[data.merged["config"] == config]
    model = next((m for m in data.info.models if m.name == rows["model"].iloc[0]), None)
    pairs = tuple(_pairs(data, rows))
    main = _main_pair(rows, pairs)
    state, verdict = verdict_of(rows)
    stamp = "SIMULATED" if rows["simulated"].any() else ""
    kind = model.server.__struct_config__.tag if model else "unknown server"
    subtitle = f"{model.model} · {kind} · {model.api}" if model else ""
    return Headline(
        config, model.title if model else config, subtitle, stamp, state, verdict,
        main.pair if main else "", main.tiles if main else (), pairs, advice(data, rows),
    )  # fmt: skip


def verdict_of(rows: "pd.DataFrame") -> tuple[str, str]:
    """A word for the eye, and a sentence: validity first, then the SLO."""
    cells, valid = len(rows), int(rows["valid"].sum())
    missed = int((rows["valid"] & ~rows["meets_slo"]).sum())
    failed = percent(rows["failed"].sum() / max(1, rows["requests"].sum()))
    tail = f"{failed} of {int(rows['requests'].sum()):,} requests failed"
    if valid == 0:
        return "invalid", f"INVALID: no cell of {cells} can be trusted; {tail}"
    if valid < cells:
        word, count = "invalid", f"{valid} of {plural(cells, 'cell')} valid"
    else:
        word, count = "valid", f"all {plural(cells, 'cell')} valid" if cells > 1 else "valid"
    if missed:
        count += f", {missed} of them miss the SLO"
        word = "misses" if word == "valid" else word
    return word, f"{count[0].upper()}{count[1:]}; {tail}"


def _pairs(data: RunData, rows: "pd.DataFrame") -> Any:
    keys = ["requested_input_tokens", "requested_output_tokens"]
    for _, group in rows.groupby(keys, sort=True):
        inputs, outputs = (int(group[key].iloc[0]) for key in keys)
        yield PairRow(f"in {inputs} · out {outputs}", tuple(_tiles(data, group)))


def _main_pair(rows: "pd.DataFrame", pairs: tuple[PairRow, ...]) -> PairRow | None:
    """The pair with the most cells; of equal ones the one with the most tokens."""
    keys = ["requested_input_tokens", "requested_output_tokens"]
    sizes = [len(group) for _, group in rows.groupby(keys, sort=True)]
    best = max(range(len(pairs)), key=lambda k: (sizes[k], k), default=None)
    return None if best is None else pairs[best]


def _tiles(data: RunData, group: "pd.DataFrame") -> Any:
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
