"""The second process that draws charts, and what happens without it."""

import gc
import os
import threading
from pathlib import Path

import pytest

from llmbench.report import write_report
from llmbench.report.page import second_drawer
from tests.report.synthetic import grid, write_run


def drawn_names(path: Path) -> list[str]:
    run = write_run(path, grid(users=(1, 4)))
    write_report(run)
    return sorted(file.name for file in run.charts.iterdir())


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is no second core")
def test_two_processes_draw_the_page_that_one_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = drawn_names(tmp_path / "two" / "run")
    monkeypatch.setattr(second_drawer, "_cores", lambda: 1)
    assert drawn_names(tmp_path / "one" / "run") == together
    pages = [(tmp_path / name / "run" / "index.html").read_text() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_a_process_that_dies_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = drawn_names(tmp_path / "one" / "run")
    monkeypatch.setattr(second_drawer, "_cores", lambda: 2)
    monkeypatch.setattr(second_drawer, "__name__", "llmbench.no_such_module")
    assert drawn_names(tmp_path / "run") == alone


def test_an_interrupted_report_leaves_no_words_of_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heard: list[object] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    monkeypatch.setattr(second_drawer, "_cores", lambda: 2)
    monkeypatch.setattr(second_drawer, "picture", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_report(write_run(tmp_path / "run", grid(users=(1, 4))))
    for thread in [one for one in threading.enumerate() if one.name == "second drawer"]:
        thread.join()
    assert heard == []


def test_cycles_are_collected_again_after_a_report(tmp_path: Path) -> None:
    assert gc.isenabled()
    write_report(write_run(tmp_path / "run", grid(users=(1, 4))))
    assert gc.isenabled()
