"""The page of each kind of run, read as a file."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from llmbench.config import ConfigError
from llmbench.records import GpuSample, ServerSums, Sum
from llmbench.report.advice import brief
from llmbench.report.page import listing
from llmbench.report.page.comparison import comparison_page
from llmbench.report.page.overlay import overlay
from llmbench.report.read import read_run
from llmbench.report.write import write_report
from llmbench.store import RunDir
from llmbench.verdict.gate.verdicts import CellFault, Comparison, Verdict
from tests.report.synthetic import HOSTILE, grid, model, write_run


class Outline(HTMLParser):
    """Tags, texts and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "


def page_of(run: RunDir) -> str:
    return write_report(run).read_text(encoding="utf-8")


def text_of(run: RunDir) -> str:
    return Outline(page_of(run)).text


def test_the_page_is_one_file_without_requests(drawn: RunDir) -> None:
    page = drawn.page_file.read_text(encoding="utf-8")
    sources = [
        value
        for _, attributes in Outline(page).tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action") and value
    ]
    assert [source for source in sources if not source.startswith("data:")] == []
    assert "@import" not in page
    assert "url(http" not in page
    assert "default-src 'none'" in page


def test_every_chart_is_there_as_png_and_svg_and_says_its_finding(drawn: RunDir) -> None:
    names = {file.stem for file in drawn.charts.glob("*.png")}
    assert names == {file.stem for file in drawn.charts.glob("*.svg")}
    assert {"ttft", "time-per-token", "throughput", "requests", "tradeoff-tiny"} <= names
    charts = [a for t, a in Outline(drawn.page_file.read_text()).tags if a.get("class") == "chart"]
    assert len(charts) == 2 * len(names)  # each for a screen and for a phone
    assert any(str(a["aria-label"]).startswith("TTFT rises") for a in charts)


def test_links_reach_files_whose_names_have_signs(run_path: Path) -> None:
    page = page_of(write_run(run_path, grid(("ti#ny [a]",)), configs=[model("ti#ny [a]")]))
    links = [a["href"] or "" for tag, a in Outline(page).tags if tag == "a"]
    files = [unquote(link) for link in links if not link.startswith(("#", "http"))]
    assert "requests/ti#ny [a]-in128-out32-users1.csv" in files
    assert [file for file in files if not (run_path / file).is_file()] == []


def test_headings_landmarks_and_tables_have_meaning(drawn: RunDir) -> None:
    tags = Outline(drawn.page_file.read_text()).tags
    names = [tag for tag, _ in tags]
    assert [names.count(tag) for tag in ("h1", "main", "nav", "footer")] == [1, 1, 1, 1]
    heads = [attributes for tag, attributes in tags if tag == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in heads)


def test_the_first_screen_answers_the_first_questions(drawn: RunDir) -> None:
    text = Outline(drawn.page_file.read_text()).text
    for label in (
        "Best latency",
        "Max RPS without slowdown",
        "Peak throughput",
        "Ideal size",
        "Cost of 1,000 requests",
        "What next",
        "SIMULATED",
        "real prompts",
    ):
        assert label in text


def test_markup_in_texts_of_others_is_only_text(hostile: RunDir) -> None:
    page = hostile.page_file.read_text(encoding="utf-8")
    outline = Outline(page)
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert "<script>alert" not in page
    for mark in "TMLPSN":
        assert f"{mark}{HOSTILE}" in outline.text
    assert f"server said: {HOSTILE}" in outline.text
    assert all(not name.startswith("on") for _, attributes in outline.tags for name in attributes)


def test_a_run_without_a_cell_says_so(run_path: Path) -> None:
    text = text_of(write_run(run_path, [], configs=[model()]))
    assert "Nothing was measured." in text
    assert "pytest benchmarks --collect-only" in text


def test_a_killed_run_shows_what_it_had(run_path: Path) -> None:
    text = text_of(write_run(run_path, grid(users=(1, 4)), killed=True))
    assert "This run did not end by itself. 1 cell ended" in text
    assert "tiny-in128-out32-users4 was under way: 12 requests of it are in the files." in text
    assert "DID NOT END" in text


def test_a_run_in_which_all_failed_says_how(run_path: Path) -> None:
    text = text_of(write_run(run_path, grid(users=(4,)), failure=1.0))
    assert "Every request failed." in text
    assert "INVALID: no cell of 1 can be trusted; 20 of 20 requests failed (100 %)" in text
    assert "Failures by kind" in text


def test_a_single_request_is_a_page(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)), requests_per_user=1)
    assert "none of 1 request failed" in text_of(run)


def test_two_hundred_cells_stay_under_five_megabytes(run_path: Path) -> None:
    cells = grid(inputs=(32, 64, 128, 256, 512), outputs=(8, 16, 24, 32), users=range(1, 11))
    run = write_run(run_path, cells, requests_per_user=2, keep_events=False)
    page = page_of(run)
    assert len(page.encode()) < 5_000_000
    assert page.count('<article class="cell"') == 200


def test_a_damaged_run_is_a_clear_error(run_path: Path) -> None:
    run = write_run(run_path, [], configs=[model()])
    run.info_file.write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json: damaged, or of another version"):
        write_report(run)


def test_the_cell_says_how_to_repeat_it(drawn: RunDir) -> None:
    text = Outline(drawn.page_file.read_text()).text
    assert "pytest benchmarks -k 'tiny-in512-out32-users16]'" in text


def test_the_end_of_the_log_is_there_once(run_path: Path) -> None:
    log = "".join(f"line {k}\n" for k in range(1000))
    page = page_of(write_run(run_path, grid(), log=log))
    assert page.count("line 999") == 1
    assert "line 939\n" not in page


VERDICT = Verdict(
    "main",
    "now",
    comparisons=(
        Comparison(
            "tiny-in128-out32-users1",
            "ttft",
            "FAIL",
            True,
            50.0,
            60.0,
            "ms",
            0.2,
            0.15,
            0.25,
            0.95,
            0.1,
            (5, 5),
            0.01,
        ),
        Comparison(
            "tiny-in128-out32-users1",
            "ttft_p95",
            "PASS",
            False,
            60.0,
            60.0,
            "ms",
            0.0,
            -0.1,
            0.1,
            0.95,
            0.1,
            (5, 5),
            0.9,
        ),
    ),
    faults=(CellFault("gone", "MISSING", "gone: not measured now"),),
)


def test_a_verdict_is_kept_and_drawn_again(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    write_report(run, VERDICT)
    text = text_of(run)
    assert "FAIL against the baseline main." in text
    assert "tiny-in128-out32-users1 ttft: +20.0% (limit +10%); gone: not measured now." in text
    assert (run.charts / "baseline.png").is_file()


def test_a_comparison_is_a_page_of_its_own() -> None:
    text = Outline(comparison_page(VERDICT)).text
    assert "now against main" in text
    assert "PASS, advisory" in text
    assert "+15.0 to +25.0 %" in text


def test_runs_are_laid_over_each_other(drawn: RunDir, hostile: RunDir, tmp_path: Path) -> None:
    before = drawn.page_file.read_bytes()
    page = overlay([drawn, hostile], tmp_path / "over.html").read_text(encoding="utf-8")
    text = Outline(page).text
    assert "2 runs side by side" in text
    assert "hostile: tiny-in128-out32-users4" in text
    assert re.search(r'aria-label="TTFT rises', page)
    assert drawn.page_file.read_bytes() == before


def test_a_cell_says_what_was_launched(drawn: RunDir) -> None:
    text = Outline(drawn.page_file.read_text()).text
    assert "server simulated ready after 1.20 s" in text
    assert "asked load that was delivered" in text


def test_the_command_to_repeat_names_no_directory_of_this_run(run_path: Path) -> None:
    words = ("benchmarks", "--llm-run-dir", "x", "-k", "tiny", "--llm-seed", "3")
    text = text_of(write_run(run_path, grid(users=(1,)), command=words))
    assert "pytest benchmarks --llm-seed 3 -k 'tiny-in128-out32-users1]'" in text


def test_what_next_names_a_rule_once_and_briefly(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1, 4)), failure=1.0)
    text = text_of(run)
    assert "tiny-in128-out32-users1 and 1 more: " in text


def test_a_long_message_is_cut_to_its_first_line_and_hint() -> None:
    assert brief("died: OOM\nlog 1\nhint: more memory") == "died: OOM; hint: more memory"


def test_a_cell_shows_the_servers_view_and_the_difference(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    (ended,) = run.cell_runs()
    (run.path / "journal" / "cells.jsonl").unlink()
    told = [r for r in run.requests(ended.cell_id) if r.first_token_ns]
    sums = ServerSums(ttft=Sum(len(told), 40.0 * len(told)), latency=Sum(len(told), 1.0))
    run.append_cell_run(msgspec.structs.replace(ended, server_sums=sums))
    text = text_of(run)
    assert "TTFT by the server, mean with warm-up 40.0 ms" in text
    assert re.search(r"TTFT, client's minus server's view [\d.]+ ms", text)
    assert "latency by the server, mean with warm-up" in text
    assert "time per token by the server" not in text
    assert "by the server's clock; the rest is waiting" in text


def test_a_cell_says_what_its_gpus_did(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(4,)))
    plain = list(run.samples())
    run.append_samples(
        msgspec.structs.replace(
            sample,
            gpu_percent=95.0,
            gpu_memory_bytes=70 << 30,
            gpus=(
                GpuSample(
                    0,
                    "GPU-aa",
                    percent=95.0,
                    power_w=650.0,
                    temperature_c=71.0,
                    slowed_by=("power cap",),
                    energy_j=(sample.time_ns - plain[0].time_ns) / 1e9 * 650,
                ),
            ),
        )
        for sample in plain
    )
    text = Outline(write_report(run, anew=True).read_text(encoding="utf-8")).text
    assert "GPUs busy, mean 95.0 %" in text
    assert "memory of the GPUs 70.0 GiB" in text
    assert "power of the GPUs, mean 650 W" in text
    assert "hottest GPU 71.0 °C" in text
    assert "GPUs slowed by power or heat 100 %" in text
    assert "GPUs ran slower than they could in 100% of the samples" in text
    assert re.search(r"energy of the GPUs in the window [\d,.]+ J", text)
    assert re.search(r"energy for each output token [\d,.]+ J", text)
    assert "Power of the GPUs" in text


def test_a_cell_without_gpus_says_nothing_of_them(drawn: RunDir) -> None:
    assert "GPU" not in Outline(drawn.page_file.read_text(encoding="utf-8")).text


def test_the_use_of_the_memorys_bandwidth_is_the_last_column_where_it_is_known(
    drawn: RunDir,
) -> None:
    merged = read_run(drawn).merged
    assert listing.columns_of(merged) == listing.COLUMNS
    told = merged.assign(bandwidth_use=[0.4567, *[float("nan")] * (len(merged) - 1)])
    assert listing.columns_of(told)[-1] == listing.MBU
    assert [row.cells[-1].text for row in listing.rows_of(told)][:2] == ["45.7", "–"]
