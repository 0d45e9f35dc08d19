"""The rates of prefill and decoding against the depth of the context."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmbench.report.charts import layout, theme
from llmbench.report.charts.theme import Chart
from llmbench.report.numbers import number
from llmbench.report.terminal.depth_table import speeds_by_config
from llmbench.results import CellResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from llmbench.metrics import DepthSpeed

GROUP = "depth"
PHASES = {"prefill": "prefill", "decode": "decoding"}
MOST_LINES = 8


def chart(results: Sequence[CellResult]) -> Chart | None:
    """Both rates with their intervals, a line for each configuration; None below two depths."""
    of_configs = {
        config: [speed for speed in speeds if speed.resolved]
        for config, speeds in list(speeds_by_config(results).items())[:MOST_LINES]
    }
    shown = [speed for speeds in of_configs.values() for speed in speeds]
    if len({speed.depth_tokens for speed in shown}) < 2:
        return None
    title = finding(of_configs)
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    with theme.style():
        figure, axes = layout.panels(1, 2)
        for k, (config, speeds) in enumerate(of_configs.items()):
            colour, marker = theme.look(k)
            handles.append(Line2D([], [], color=colour, marker=marker, label=config))
            for axis, phase in zip(axes[0], PHASES, strict=True):
                _line(axis, [s for s in speeds if s.phase == phase], colour, marker)
        for axis, (phase, words) in zip(axes[0], PHASES.items(), strict=True):
            here = [speed.depth_tokens for speed in shown if speed.phase == phase]
            axis.set_title(f"{words}, tokens/s", loc="left")
            axis.set_xlabel("tokens before, d")
            axis.set_ylim(bottom=0)
            theme.users_axis(axis, here)
        note = (
            "One user; shaded: 95 % interval; dashed: by the server's own times. Prefill: more"
            " tokens / more TTFT, from one length to the next."
        )
        stamps = [result.stamp for result in results if result.summary.cell.is_depth]
        layout.finish(figure, title, note, theme.stamp_of(stamps), handles, above_in=0.3)
    return Chart("depth", GROUP, title, f"{title}. {note}", figure)


def _line(axis: "Axes", speeds: "Sequence[DepthSpeed]", colour: Any, marker: str) -> None:
    """The rates of one phase, with the intervals that are known and the server's own view."""
    depths = [speed.depth_tokens for speed in speeds]
    axis.plot(depths, [s.tokens_per_s or 0.0 for s in speeds], marker=marker, color=colour)
    whole = [s for s in speeds if s.low is not None and s.high is not None]
    axis.fill_between(
        [s.depth_tokens for s in whole],
        [s.low or 0.0 for s in whole],
        [s.high or 0.0 for s in whole],
        color=colour,
        alpha=0.18,
        lw=0,
    )
    told = [s for s in speeds if s.server_tokens_per_s is not None]
    server = [s.server_tokens_per_s or 0.0 for s in told]
    axis.plot([s.depth_tokens for s in told], server, color=colour, ls="--", lw=1.4)


def finding(of_configs: "dict[str, list[DepthSpeed]]") -> str:
    """How both rates change from the shallowest depth to the deepest, where they change most."""
    ends = {
        (config, phase): (of_phase[0], of_phase[-1])
        for config, speeds in of_configs.items()
        for phase in PHASES
        if len(of_phase := [speed for speed in speeds if speed.phase == phase]) > 1
    }
    if not ends:
        return "too few depths to compare"

    def change(key: tuple[str, str]) -> float:
        first, last = ends[key]
        return (first.tokens_per_s or 0.0) / (last.tokens_per_s or 1.0)

    config = max(ends, key=change)[0]
    parts = []
    for phase, words in PHASES.items():
        if (config, phase) in ends:
            first, last = ends[config, phase]
            span = f"{number(first.tokens_per_s)} to {number(last.tokens_per_s)} tokens/s"
            parts.append(f"{words} from {span} (d{first.depth_tokens} to d{last.depth_tokens})")
    return f"{config}: {', '.join(parts)}"
