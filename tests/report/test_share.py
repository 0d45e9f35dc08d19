"""What `llmbench share` writes of a run."""

from pathlib import Path

import pytest

from llmbench.cli import main
from llmbench.store import RunDir
from tests.report.synthetic import grid, write_run


def test_the_summary_has_the_verdict_and_the_card_stands_beside_it(
    run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(run_path, grid(users=(1, 4)))
    assert main(["share", str(run_path)]) == 0
    out, err = capsys.readouterr()
    text = (run_path / "share" / "summary.md").read_text()
    assert out == text + "\n"
    assert err.splitlines()[-1] == str(run_path / "share" / "card.png")
    assert text.startswith("### Tiny 1B Instruct\n\n")
    assert "**All 2 cells valid" in text
    assert "| Max RPS without slowdown | **" in text
    assert "| tiny-in128-out32-users4 |" in text
    assert "bench-1: Xeon, 2 cores" in text
    png = (run_path / "share" / "card.png").read_bytes()
    width, height = (int.from_bytes(png[k : k + 4], "big") for k in (16, 20))
    assert (width, height) == (1200, 630)


def test_the_card_is_of_the_model_that_is_named(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(run_path, grid(models=("alpha", "beta"), users=(1,)))
    folder = tmp_path / "posted"
    assert main(["share", str(run_path), "--model", "beta", "--out", str(folder)]) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["card.png", "summary.md"]
    assert main(["share", str(run_path), "--model", "betta"]) == 2
    assert "--model: 'betta' is not in" in (err := capsys.readouterr().err)
    assert "did you mean 'beta'?" in err


def test_a_run_without_cells_has_nothing_to_share(
    run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(run_path, [])
    assert RunDir(run_path).info().models == ()
    assert main(["share", str(run_path)]) == 2
    assert "no cell was measured, so there is nothing to share" in capsys.readouterr().err
