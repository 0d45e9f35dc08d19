"""docs/metrics.md and the fields of a summary name each other."""

import re
from pathlib import Path

from llmbench.metrics.capacity.curves import Deterioration
from llmbench.metrics.capacity.sizes import RETURNS
from llmbench.metrics.percentiles import samples_needed
from llmbench.results import CellSummary

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def documented(heading: str) -> list[str]:
    """Names in the first column of the tables under a heading."""
    part = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    text = next(section for section in part if section.startswith(heading))
    cells = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_every_field_of_a_summary_has_one_row() -> None:
    assert sorted(documented("Of a cell")) == sorted(CellSummary.__struct_fields__)


def test_the_decks_four_are_there() -> None:
    assert documented("Of a request") == ["latency", "ttft", "time_per_token", "throughput"]


def test_the_page_states_the_samples_that_percentiles_need() -> None:
    needed = ", ".join(f"p{p} {samples_needed(p)}" for p in (50, 90, 95, 99))
    assert f"**{needed}**" in PAGE


def test_the_page_states_the_parameters_of_its_rules() -> None:
    rule = Deterioration()
    assert (
        f"`factor` {rule.factor:g}, `percentile` {rule.percentile}, `errors` {rule.errors:.0%}"
    ).replace("%", " %") in PAGE
    assert RETURNS == 0.5
    assert "at least half of what the cores grew by" in PAGE
