"""The chart of a judgement: what each client reports over the users, beside the truth."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

from llmbench.judge.refereeing import JudgedClient, Judgement
from llmbench.report import INK, finish, log_if_wide, look, panels, style, users_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {
    "TTFT p50, ms": "ttft_p50_ms",
    "TTFT p99, ms": "ttft_p99_ms",
    "time per token p99, ms": "token_p99_ms",
    "client's CPU, µs/token": "cpu_us_per_token",
}
"""The quantities that are drawn; the last is the client's own and has no truth."""

DOTS_PER_INCH = 130


def judge_chart(judgement: Judgement) -> bytes | None:
    """A PNG; None where no client was judged under two loads."""
    import numpy as np

    clients = [client for client in judgement.clients if len(_judged(client)) > 1]
    if not clients:
        return None
    with style():
        figure, rows = panels(2, 2, each_in=2.6)
        axes = [axis for row in rows for axis in row]
        for axis, (title, figure_name) in zip(axes, PANELS.items(), strict=True):
            drawn = [
                value
                for k, client in enumerate(clients)
                for value in _draw(axis, client, figure_name, k)
            ]
            drawn += _draw_truth(axis, clients, figure_name)
            axis.set_title(title, loc="left")
            users_axis(axis, [it.load.users for client in clients for it in _judged(client)])
            log_if_wide(axis, np.asarray(drawn))
        for axis in rows[-1]:
            axis.set_xlabel("users")
        words = finding(clients), _note(judgement), "SIMULATED", _handles(clients)
        finish(figure, *words, between_in=(0.62, 0.75))
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
    return picture.getvalue()


def finding(clients: "list[JudgedClient]") -> str:
    """The title: who is within 1 %, and who is furthest off at the most users."""
    within = [it for it in clients if it.within_1_percent is not None]
    best = max(within, key=lambda it: it.within_1_percent or 0, default=None)
    head = (
        "No client is within 1 % of the truth"
        if best is None
        else f"{best.name} is within 1 % of the truth up to {best.within_1_percent:,} users"
    )
    last = [_judged(client)[-1] for client in clients]
    errors = [(abs(it.error("ttft_p99_ms") or 0.0), it) for it in last]
    worst, load = max(errors, key=lambda it: it[0])
    if load.true is None or load.reported is None or worst <= 0.05:
        return head
    true, reported = load.true.ttft_p99_ms, load.reported.ttft_p99_ms
    return (
        f"{head}; with {load.load.users:,} {load.client} reports a TTFT p99 of {reported:,.0f} ms "
        f"instead of {true:,.0f}"
    )


def _judged(client: JudgedClient) -> Any:
    """The loads of the climb that have figures and a server that was in time."""
    judged = [it for it in client.climb if it.outcome == "judged"]
    return sorted(judged, key=lambda it: it.load.users)


def _draw(axis: "Axes", client: JudgedClient, figure: str, k: int) -> list[float]:
    """Draw a client's line; the values that were drawn."""
    colour, marker = look(k)
    own = figure == "cpu_us_per_token"
    values = [
        (it.load.users, getattr(it if own else it.reported, figure)) for it in _judged(client)
    ]
    known = [(users, value) for users, value in values if value is not None]
    if known:
        axis.plot(*zip(*known, strict=True), color=colour, marker=marker, label=client.name)
    return [value for _, value in known]


def _draw_truth(axis: "Axes", clients: list[JudgedClient], figure: str) -> list[float]:
    """Draw the truth of each number of users, the middle one where clients got different ones."""
    from statistics import median

    true: dict[int, list[float]] = {}
    for judged in (it for client in clients for it in _judged(client)):
        value = getattr(judged.true, figure, None)
        if value is not None:
            true.setdefault(judged.load.users, []).append(value)
    points = [(users, median(values)) for users, values in sorted(true.items())]
    if points:
        axis.plot(*zip(*points, strict=True), color=INK, linestyle="--", label="truth", zorder=9)
    return [value for _, value in points]


def _handles(clients: list[JudgedClient]) -> list[Any]:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=INK, linestyle="--", label="truth")]
    for k, client in enumerate(clients):
        colour, marker = look(k)
        lines.append(Line2D([], [], color=colour, marker=marker, label=client.name))
    return lines


def _note(judgement: Judgement) -> str:
    cores = len(judgement.cores.client)
    load = judgement.clients[0].loads[0].load
    return (
        f"{load.requests_per_user} requests a user, {load.output_tokens} tokens each; "
        f"{cores} core{'s' * (cores != 1)} for the client, one for the truth server. "
        f"{judgement.date}."
    )
