"""Says what to do next with a configuration, going by what its cells show."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmbench.report.numbers import certifiable
from llmbench.report.read import RunData

if TYPE_CHECKING:
    import pandas as pd

MOST = 4


def advice(data: RunData, rows: "pd.DataFrame") -> tuple[str, ...]:
    """At most four lines of advice, the most pressing first."""
    lines = [*_validity(data, rows), *_load(rows), *_samples(rows), *_money(data, rows)]
    return tuple(dict.fromkeys(lines))[:MOST]


def _validity(data: RunData, rows: "pd.DataFrame") -> Iterator[str]:
    """A line for each broken rule, with the number of cells and the message of the first one."""
    cells = set(rows["cell"])
    broken: dict[str, dict[str, str]] = {}
    for result in data.results:
        if result.summary.cell_id in cells:
            for problem in result.problems:
                messages = broken.setdefault(problem.rule, {})
                messages.setdefault(result.summary.cell_id, brief(problem.message))
    for messages in broken.values():
        first, message = next(iter(messages.items()))
        more = f" and {len(messages) - 1} more" if len(messages) > 1 else ""
        yield f"{first}{more}: {message}"


def brief(message: str) -> str:
    """The first line of a message, and its hint if it has one."""
    lines = message.splitlines() or [""]
    hints = [line.strip() for line in lines[1:] if line.strip().startswith("hint:")]
    return "; ".join([lines[0], *hints])


def _load(rows: "pd.DataFrame") -> Iterator[str]:
    closed = rows[(rows["load"] == "users") & rows["valid"]]
    if closed.empty:
        return
    if closed["users"].nunique() == 1:
        yield (
            "Only one number of users was measured: give --llm-users 1,4,16 to see"
            " how load changes it."
        )
        return
    for _, group in closed.groupby(["requested_input_tokens", "requested_output_tokens"]):
        rising = group.sort_values("users")["requests_per_s"].tolist()
        if len(rising) > 1 and rising[-1] > 1.05 * max(rising[:-1]):
            top = int(group["users"].max())
            yield (
                f"Requests/s still rose at {top} users: go on with --llm-users {2 * top},{4 * top}"
                " to find the peak."
            )
            return


def _samples(rows: "pd.DataFrame") -> Iterator[str]:
    closed = rows[rows["valid"] & (rows["ttft_ms_n"] > 0)]
    few = closed[[not certifiable("p95", n) for n in closed["ttft_ms_n"]]]
    if len(few):
        least = int(few["ttft_ms_n"].min())
        yield (
            f"p95 needs 90 requests in a cell; {len(few)} of {len(rows)} cells have fewer"
            f" (the least {least}): raise --llm-requests before you quote it."
        )


def _money(data: RunData, rows: "pd.DataFrame") -> Iterator[str]:
    model = next((m for m in data.info.models if m.name == rows["model"].iloc[0]), None)
    if model is not None and model.price is None:
        yield f"Give [price] in {model.name}.toml to see what requests and tokens cost."
