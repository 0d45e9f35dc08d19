"""What ``llmbench compare`` comes to as an exit status."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.cli import main
from llmbench.verdict.gate.exit_codes import exit_code
from llmbench.verdict.gate.verdicts import CellFault, Comparison, State, Verdict
from tests.verdict.test_baselines import make_run


def row(state: State, *, gating: bool = True, change: float = 0.1) -> Comparison:
    """A metric of a cell."""
    ends = (change, change - 0.01, change + 0.01)
    return Comparison("c", "ttft", state, gating, 50, 55, "ms", *ends, 0.85, 0.05, (5, 5), 0.01)


def verdict(*rows: Comparison, **fields: object) -> Verdict:
    return structs.replace(Verdict("main", "run", rows), **fields)


GONE = CellFault("d", "MISSING", "gone")
SATURATED = CellFault("d", "OVERLOADED", "no longer sustained")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (verdict(row("PASS")), 0),
        (verdict(row("PASS"), row("FAIL", gating=False)), 0),
        (verdict(row("PASS"), row("FAIL")), 1),
        (verdict(row("INCONCLUSIVE"), row("FAIL")), 1),
        (verdict(row("FAIL"), faults=(GONE,)), 1),
        (verdict(row("PASS"), faults=(SATURATED,)), 1),
        (verdict(row("PASS"), row("INCONCLUSIVE")), 125),
        (verdict(row("PASS"), faults=(GONE,)), 125),
        (verdict(differences=("host.cpu: A -> B",)), 125),
        (verdict(), 125),
    ],
)
def test_same_slower_or_untold(outcome: Verdict, code: int) -> None:
    assert exit_code(outcome) == code


def test_the_user_says_what_can_not_be_told_comes_to() -> None:
    outcome = verdict(row("INCONCLUSIVE"))
    assert [exit_code(outcome, "pass"), exit_code(outcome, "fail")] == [0, 1]


def test_the_command_ends_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {n: str(make_run(tmp_path / str(n), slower=n).path) for n in (1.0, 1.2)}
    assert main(["compare", runs[1.0], runs[1.0]]) == 0
    assert main(["compare", runs[1.0], runs[1.2]]) == 1
    assert main(["compare", runs[1.0], str(tmp_path / "none")]) == 125
    assert (
        capsys.readouterr().err
        == f"llmbench: {tmp_path}/none: can't be read: No such file or directory\n"
    )
