"""What GitHub, GitLab and JUnit's readers get of a session."""

from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from llmbench.report import annotations, cell_properties, openmetrics, verdict_properties
from llmbench.results import CellResult
from llmbench.verdict import Verdict, headline, line
from llmbench.verdict.gate.verdicts import CellFault
from llmbench.verdict.judging import results
from tests.report.synthetic import grid, write_run
from tests.verdict.test_exit_codes import row, verdict

RED = verdict(row("FAIL"), row("PASS"))
OPEN = verdict(row("INCONCLUSIVE"), row("INCONCLUSIVE", change=0.01))


@pytest.fixture(autouse=True)
def on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


@pytest.fixture
def measured(run_path: Path) -> list[CellResult]:
    return results(write_run(run_path, grid(users=(1, 4)), requests_per_user=25))


def test_elsewhere_nothing_is_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert annotations(RED) == []


def test_a_regression_is_an_error_in_one_line() -> None:
    assert annotations(RED) == [
        "::error title=llmbench%3A FAIL c ttft::FAIL c ttft: 50 -> 55 ms, +10.0%25 "
        "(+9.0%25 to +11.0%25), limit +5%25, no change could have been caught"
    ]


def test_a_fault_is_an_error_and_its_lines_are_escaped() -> None:
    fault = CellFault("d", "INVALID", "client_lag: 50 %\r\nuse more cores")
    assert annotations(verdict(faults=(fault,))) == [
        "::error title=llmbench%3A INVALID d::client_lag: 50 %25%0D%0Ause more cores"
    ]


def test_a_refusal_is_one_error_that_names_the_differences() -> None:
    (told,) = annotations(verdict(differences=("host.cpu: A, B -> C",)))
    assert told.startswith("::error title=llmbench%3A REFUSED::REFUSED: run against main:")
    assert told.endswith("%0Ahost.cpu: A, B -> C")


def test_what_can_not_be_told_is_a_warning() -> None:
    beyond, whole = annotations(OPEN)
    assert beyond.startswith("::warning title=llmbench%3A BEYOND THE LIMIT c ttft::INCONCLUSIVE, ")
    assert whole == f"::warning title=llmbench%3A INCONCLUSIVE::{headline(OPEN)}"


def test_it_is_an_error_where_it_fails_as_asked() -> None:
    red = structs.replace(OPEN, inconclusive="fail")
    assert [told.split("::")[1].split()[0] for told in annotations(red)] == ["error", "warning"]


def test_what_may_move_numbers_is_a_warning() -> None:
    (told,) = annotations(verdict(row("PASS"), warnings=("host.kernel: 6.8 -> 6.8",)))
    assert told == (
        "::warning title=llmbench%3A fingerprint::host.kernel: 6.8 -> 6.8: "
        "this may move the numbers"
    )


def test_no_more_are_written_than_github_shows() -> None:
    told = annotations(verdict(*[row("FAIL")] * 13))
    assert len(told) == 10
    assert told[-1] == ("::error title=llmbench%3A more::4 more: see the job's summary, or the log")


def test_a_cells_figures_are_properties(measured: list[CellResult]) -> None:
    one = measured[:1]
    named = dict(cell_properties(one))
    assert one[0].summary.ttft_ms is not None
    assert named["llmbench.ttft_ms_p50"] == f"{one[0].summary.ttft_ms.p50:.6g}"
    assert (named["llmbench.outcome"], named["llmbench.requests"]) == ("valid", "25")
    assert named["llmbench.stamp"] == "SIMULATED"
    assert "llmbench.cpu_per_token_ms" not in named


def test_a_verdict_is_properties() -> None:
    named = dict(verdict_properties(verdict(row("FAIL"))))
    assert named == {
        "llmbench.verdict": "FAIL",
        "llmbench.baseline": "main",
        "llmbench.verdict.ttft": "FAIL",
        "llmbench.verdict.ttft.change": "0.1",
        "llmbench.verdict.ttft.limit": "0.05",
    }


def samples(results: list[CellResult], *verdicts: Verdict) -> dict[tuple[str, str], float]:
    """The values of OpenMetrics text by name and labels, as its own parser reads it."""
    text = openmetrics(results, verdicts).decode()
    assert text.endswith("# EOF\n")
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {
        (s.name, ",".join(sorted(f"{k}={v}" for k, v in s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def test_openmetrics_has_the_figures_in_seconds(measured: list[CellResult]) -> None:
    found = samples(measured)
    ttft = measured[0].summary.ttft_ms
    assert ttft is not None
    cell = measured[0].summary.cell_id
    seconds = found["llmbench_ttft_seconds", f"cell={cell},percentile=p95"]
    assert seconds == pytest.approx(ttft.p95 / 1e3)
    rate = found["llmbench_requests_per_second", f"cell={cell}"]
    assert rate == measured[0].summary.requests_per_s


def test_openmetrics_has_the_rates_of_inputs_and_images_where_there_are_any(
    measured: list[CellResult],
) -> None:
    one = measured[0]
    rated = structs.replace(one.summary, inputs_per_s=12.5, images_per_s=3.0)
    found, where = samples([structs.replace(one, summary=rated)]), f"cell={one.summary.cell_id}"
    assert found["llmbench_inputs_per_second", where] == 12.5
    assert found["llmbench_images_per_second", where] == 3.0
    names = {name for name, _ in samples(measured)}
    assert not names & {"llmbench_inputs_per_second", "llmbench_images_per_second"}


def test_openmetrics_has_the_verdict_as_a_set_of_states() -> None:
    found = samples([], RED)
    where = "baseline=main,cell=c,metric=ttft"
    assert found["llmbench_change", where] == 0.1
    assert line(RED.comparisons[0]).startswith("FAIL")
