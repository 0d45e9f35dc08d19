"""A fit finds the truth of a simulated engine, says how sure it is, and refuses too little."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from llmbench import twin
from llmbench.cli import main
from llmbench.config import ConfigError
from llmbench.metrics import summarise, table
from llmbench.twin.cell_figures import CellFigures
from llmbench.twin.fitting.fit_of_run import RunFit, fit_observed
from llmbench.twin.fitting.observed import ObservedCells, means, observations
from llmbench.twin.foretelling import foretell_rate, foretell_users
from llmbench.twin.playing import ClosedLoad, TwinEngine, play
from llmbench.twin.step_costs import costs_of
from llmbench.value_types import EngineSteps, Images
from tests.perf.twin_accuracy import exact_errors, trial
from tests.twin.virtual_run import GRID, VirtualUsers, cell_of, cell_run_of, virtual_run

TRUTH = EngineSteps(
    base_ms=8.0,
    ms_per_sequence=1.5,
    ms_per_context_token=0.004,
    ms_per_prompt_token=0.3,
    most_sequences=6,
)
TRUE_COSTS = costs_of(TRUTH)
RECOVERED = 0.02
UNEVEN = structs.replace(
    TRUTH,
    base_ms=0.0,
    ms_per_sequence=0.0,
    batch_times_ms=((1, 6.0), (2, 14.0), (4, 30.0), (6, 36.0)),
)
"""As llama.cpp on a CPU, where two take twice as long as one, and six not much more than four."""

FEW_TIMES = structs.replace(UNEVEN, batch_times_ms=((2, 14.0), (4, 30.0)))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> RunFit:
    run = virtual_run(tmp_path_factory.mktemp("exact") / "run", TRUTH)
    return twin.fit_run(run, told=twin.Told(slots=6))


@pytest.mark.parametrize("load", GRID, ids=lambda load: cell_of(load).id)
@pytest.mark.parametrize("truth", [TRUTH, FEW_TIMES], ids=["line", "times"])
def test_a_schedule_that_is_played_once_gives_the_figures_of_the_metrics(
    load: ClosedLoad, truth: EngineSteps
) -> None:
    """The same cell, by an engine with the true costs and by the formulas of `llmbench.metrics`."""
    run = cell_run_of(load)
    records = [
        structs.replace(record, cell=run.cell_id)
        for record in VirtualUsers(truth, load, jitter=0.0, seed=0).records()
    ]
    summary = summarise(run, table(records))
    ((played,),) = play([load], TwinEngine(truth)).repeats
    figures = played.figures(costs_of(truth))
    assert summary.ttft_ms is not None
    assert summary.time_per_token_ms is not None
    assert figures.ttft_ms == pytest.approx(summary.ttft_ms.mean, rel=1e-3)
    assert figures.time_per_token_ms == pytest.approx(summary.time_per_token_ms.mean, rel=1e-3)
    assert figures.output_tokens_per_s == pytest.approx(summary.output_tokens_per_s, rel=1e-3)


def test_cells_with_images_tell_nothing_of_an_engines_steps() -> None:
    load = GRID[0]
    run = cell_run_of(load)
    virtual = VirtualUsers(TRUTH, load, jitter=0.0, seed=0).records()
    records = [structs.replace(record, cell=run.cell_id) for record in virtual]
    summary = summarise(run, table(records))
    seeing = structs.replace(run.cell, images=Images(1, 512, 512))
    assert len(observations([summary])) == 1
    assert observations([structs.replace(summary, cell=seeing)]) == ()


def test_the_costs_of_a_simulated_engine_are_found(fitted: RunFit) -> None:
    assert costs_of(fitted.twin.steps) == pytest.approx(TRUE_COSTS, rel=RECOVERED)
    assert fitted.twin.steps.batch_times_ms == ()
    assert fitted.one_out.shares.max() < RECOVERED
    assert fitted.highest_load is not None
    assert fitted.highest_load.shares.max() < RECOVERED


def test_limits_that_are_not_told_are_found(tmp_path: Path) -> None:
    run = virtual_run(tmp_path / "run", structs.replace(TRUTH, most_sequences=4))
    steps = twin.fit_run(run).twin.steps
    assert (steps.policy, steps.most_sequences) == ("mixed", 4)
    prefill_first = structs.replace(TRUTH, policy="prefill-first", most_sequences=128)
    run = virtual_run(tmp_path / "other", prefill_first)
    assert twin.fit_run(run).twin.steps.policy == "prefill-first"


def test_llama_cpp_tells_its_slots_and_is_taken_to_do_as_it_does(tmp_path: Path) -> None:
    """Only so do the limits stay its own where another engine's would fit better."""
    other = structs.replace(TRUTH, policy="prefill-first", most_sequences=128)
    steps = twin.fit_run(virtual_run(tmp_path / "run", other, slots=5)).twin.steps
    assert (steps.policy, steps.token_budget, steps.most_sequences) == ("mixed", 2048, 5)


def test_a_cost_that_is_nothing_is_said_to_be_at_its_bound(tmp_path: Path) -> None:
    run = virtual_run(tmp_path / "run", structs.replace(TRUTH, ms_per_context_token=0.0))
    lines = list(twin.fit_lines(twin.fit_run(run, told=twin.Told(slots=6))))
    assert [line.split()[0] for line in lines if line.endswith(": at its bound")] == ["γ"]


def test_what_each_number_of_sequences_takes_is_found(tmp_path: Path) -> None:
    fit = twin.fit_run(virtual_run(tmp_path / "run", UNEVEN), told=twin.Told(slots=6))
    assert [number for number, _ in fit.twin.steps.batch_times_ms] == [1, 2, 4, 6]
    assert costs_of(fit.twin.steps) == pytest.approx(costs_of(UNEVEN), rel=RECOVERED)
    assert fit.one_out.shares.max() < RECOVERED
    assert fit.highest_load is not None
    assert fit.highest_load.shares.max() > RECOVERED  # 1, 2 and 4 users don't tell that of 6
    said = [line.split() for line in twin.fit_lines(fit) if "a step of" in line]
    assert [line[4:6] for line in said] == [
        ["1", "sequence"],
        *([number, "sequences"] for number in ("2", "4", "6")),
    ]
    twin.write_twin(tmp_path / "twin.toml", fit.twin)
    assert twin.load_twin(tmp_path / "twin.toml") == fit.twin


def test_a_twin_foretells_numbers_between_those_of_its_steps(tmp_path: Path) -> None:
    fit = twin.fit_run(virtual_run(tmp_path / "run", UNEVEN), told=twin.Told(slots=6))
    unseen = ClosedLoad(64, 32, 5, requests=4)
    foretold = foretell_users(fit.twin, 64, 32, 5, requests=4)
    true = play([unseen], TwinEngine(UNEVEN)).repeats[0][0].figures(costs_of(UNEVEN))
    assert foretold.ttft_ms.value == pytest.approx(true.ttft_ms, rel=RECOVERED)
    assert foretold.output_tokens_per_s.value == pytest.approx(
        true.output_tokens_per_s, rel=RECOVERED
    )


def test_a_number_of_sequences_has_its_own_time_where_two_cells_tell_it(tmp_path: Path) -> None:
    """Of one with 4 users nothing is left once that is held out; two times are a line."""
    loads = tuple(load for load in GRID if load.users <= 2 or load == GRID[2])
    run = virtual_run(tmp_path / "run", UNEVEN, loads)
    assert twin.fit_run(run, told=twin.Told(slots=6)).twin.steps.batch_times_ms == ()


def test_more_sequences_never_take_less(tmp_path: Path) -> None:
    """Where 4 seem to take less than 2, both take the same, and that is said."""
    falls = ((1, 6.0), (2, 14.0), (3, 14.0), (4, 14.0), (6, 31.0))
    run = virtual_run(tmp_path / "run", structs.replace(UNEVEN, batch_times_ms=falls))
    fit = twin.fit_run(run, told=twin.Told(slots=6))
    assert dict(fit.twin.steps.batch_times_ms)[4] == pytest.approx(14.0, rel=RECOVERED)
    lines = [line for line in twin.fit_lines(fit) if line.endswith(": at its bound")]
    assert [line.split()[4] for line in lines] == ["4"]


def test_requests_that_come_in_turn_are_known_by_what_steps_take_together(tmp_path: Path) -> None:
    """Answers take 0.5 ms each to be handed over, and an idle engine waits for 1.5 ms."""
    truth = structs.replace(TRUTH, base_ms=12.0, ms_per_prompt_token=1.0, gather_ms=1.5)
    short = tuple(load for load in GRID if load.output_tokens == 16)
    run = virtual_run(tmp_path / "run", truth, short, hand_over_ms=0.5, repeats=2)
    fit = twin.fit_run(run, told=twin.Told(slots=6, token_budget=2048, policy="mixed"))
    assert fit.twin.in_turn
    assert any("; requests come in turn" in line for line in twin.fit_lines(fit))
    assert fit.twin.steps.ms_per_prompt_token == pytest.approx(1.0, rel=0.1)
    assert np.median(fit.one_out.shares) < 0.05


def test_repeats_differ_by_what_their_prompts_do_not_explain() -> None:
    """Where only the lengths of prompts differ, repeats foretell each other exactly."""
    cells = [
        (
            f"cell-{n}",
            [
                (repeat, play([repeat], TwinEngine(TRUTH)).repeats[0][0].figures(TRUE_COSTS))
                for repeat in (load, structs.replace(load, input_tokens=load.input_tokens + 9))
            ],
        )
        for n, load in enumerate(GRID)
    ]
    fit = fit_observed(ObservedCells("m", True, means(cells), 0, TRUTH, None), "run", twin.Told())
    assert fit.repeats is not None
    assert fit.repeats.shares.shape == (32, 3)
    assert fit.repeats.shares.max() < 1e-3
    assert costs_of(fit.twin.steps) == pytest.approx(TRUE_COSTS, rel=RECOVERED)
    assert list(twin.fit_lines(fit))[-1] == (
        "repeats of a cell differ by 0.0 % (median): a twin foretells none of them better than that"
    )


def test_without_repeats_chance_can_not_be_told_from_error(fitted: RunFit) -> None:
    assert list(twin.fit_lines(fitted))[-1] == (
        "no cell was repeated, so chance can't be told from error; add --llm-repeats 3"
    )


def test_an_interval_holds_the_truth_where_steps_jitter(tmp_path: Path) -> None:
    run = virtual_run(tmp_path / "run", TRUTH, jitter=0.2, repeats=2)
    fit = twin.fit_run(run, told=twin.Told(slots=6))
    inside = (fit.intervals[:, 0] <= TRUE_COSTS) & (fit.intervals[:, 1] >= TRUE_COSTS)
    assert inside.all()
    assert (fit.intervals[:, 0] < fit.intervals[:, 1]).all()


def test_an_interval_is_as_wide_as_cells_of_as_many_users_scatter() -> None:
    """Repeats of eight users differ by 20 %, others by 1 %."""
    random = np.random.default_rng(1)
    cells = []
    for load in GRID:
        ((played,),) = play([load], TwinEngine(TRUTH)).repeats
        noise = 0.2 if load.users == 8 else 0.01
        logs = [played.figures(TRUE_COSTS).logs + random.normal(0, noise, 3) for _ in range(6)]
        repeats = [(load, CellFigures(*map(float, np.exp(one)))) for one in logs]
        cells.append((cell_of(load).id, repeats))
    seen = ObservedCells("m", True, means(cells), 0, TRUTH, None)
    fitted_twin = fit_observed(seen, "run", twin.Told()).twin
    one, eight = (foretell_users(fitted_twin, 32, 16, users).ttft_ms for users in (1, 8))
    assert one.high / one.low < 1.2
    assert eight.high / eight.low > 1.5


def test_figures_of_arrivals_are_as_sure_as_how_these_come(fitted: RunFit) -> None:
    """Nothing jitters, but near saturation a burst makes a queue."""
    few, many = (foretell_rate(fitted.twin, 64, 32, rate) for rate in (1.0, 8.0))
    assert few.requests_per_s.value == pytest.approx(1.0, rel=0.05)
    assert few.ttft_ms.high / few.ttft_ms.low < 1.2
    assert many.ttft_ms.high / many.ttft_ms.low > 1.3


@pytest.mark.parametrize(
    ("loads", "add"),
    [
        ([(32, 16, 4), (128, 16, 4), (32, 64, 4), (128, 64, 4)], "--llm-users 4,8,16"),
        ([(32, 16, 1), (32, 16, 2), (32, 16, 4)], "--llm-input-tokens 32,128"),
        ([(32, 16, 1), (128, 16, 1), (32, 16, 2), (128, 16, 2)], "--llm-users 1,2,4,8"),
    ],
)
def test_too_little_is_refused_with_what_to_add(
    tmp_path: Path, loads: list[tuple[int, int, int]], add: str
) -> None:
    cells = tuple(ClosedLoad(*load, requests=4) for load in loads)
    run = virtual_run(tmp_path / "run", TRUTH, cells)
    with pytest.raises(ConfigError) as refusal:
        twin.fit_run(run)
    assert f"{len(cells)} valid closed-loop cells" in str(refusal.value)
    assert str(refusal.value).endswith(f"add {add}")


def test_a_run_without_closed_loops_is_refused(tmp_path: Path) -> None:
    run = virtual_run(tmp_path / "run", TRUTH, ())
    with pytest.raises(ConfigError, match="no closed loop to fit; run a grid"):
        twin.fit_run(run)


def test_a_server_that_the_run_does_not_have_is_refused(tmp_path: Path) -> None:
    run = virtual_run(tmp_path / "run", TRUTH)
    with pytest.raises(ConfigError, match="several servers; give --model m"):
        twin.fit_run(run, model="other")


def test_runs_of_one_server_are_fitted_together(tmp_path: Path) -> None:
    """The first alone has too few numbers of users, and the other one repeats some of its cells."""
    few = virtual_run(tmp_path / "few", TRUTH, tuple(load for load in GRID if load.users == 1))
    more = virtual_run(tmp_path / "more", TRUTH, GRID)
    with pytest.raises(ConfigError, match="add --llm-users 1,2,4"):
        twin.fit_run(few)
    fit = twin.fit_run(few, more, told=twin.Told(slots=6))
    assert fit.twin.run == "few and more"
    repeats = {cell.load.users: len(cell.repeats) for cell in fit.observed.cells}
    assert repeats == {1: 2, 2: 1, 4: 1, 8: 1}
    assert costs_of(fit.twin.steps) == pytest.approx(TRUE_COSTS, rel=RECOVERED)


def test_runs_of_several_servers_are_refused(tmp_path: Path) -> None:
    run, other = (virtual_run(tmp_path / name, TRUTH) for name in ("run", "other"))
    other.write_info(structs.replace(other.info(), host={"cpu": "another"}))
    run.write_info(structs.replace(run.info(), host={"cpu": "this one"}, seed=7))
    with pytest.raises(ConfigError) as refusal:
        twin.fit_run(run, other)
    assert str(refusal.value) == (
        f"{other.path}: not of the server and the host of {run.path}, and a twin is of one: "
        "host.cpu: this one -> another"
    )


def test_runs_whose_server_had_other_slots_are_refused(tmp_path: Path) -> None:
    loads = tuple(load for load in GRID if load.users < 4)
    run = virtual_run(tmp_path / "run", TRUTH, loads, slots=2)
    other = virtual_run(tmp_path / "other", TRUTH, slots=8)
    with pytest.raises(ConfigError) as refusal:
        twin.fit_run(run, other)
    assert str(refusal.value) == (
        f"the server has other slots in each run (2 in {run.path} and 8 in {other.path}), as they "
        "follow the greatest number of users; give it `slots` in its TOML, and measure anew"
    )


def test_the_commands_fit_and_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = virtual_run(tmp_path / "run", TRUTH), tmp_path / "twin.toml"
    assert main(["fit", str(run.path), "--slots", "6", "--out", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("m  SIMULATED")
    assert "fitted to 16 cells of run" in said
    assert "held out, one cell at a time (16 cells)" in said
    assert "held out, the highest load (4 cells)" in said
    lengths = ["--input-tokens", "64", "--output-tokens", "32"]
    assert main(["predict", str(file), *lengths, "--users", "1,16", "--rate", "1000"]) == 0
    said = capsys.readouterr().out
    assert "in64 out32 1 user " in said
    assert "16 users: beyond what was fitted: users 16 (1 to 8 were fitted)" in said
    assert "1000 requests/s: OVERLOADED: it serves " in said


def test_predict_needs_a_load_and_a_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = ["--input-tokens", "64", "--output-tokens", "32"]
    assert main(["predict", "twin.toml", *lengths]) == 2
    assert "predict: give --users or --rate" in capsys.readouterr().err
    (tmp_path / "other.toml").write_text("a = 1\n", encoding="utf-8")
    assert main(["predict", str(tmp_path / "other.toml"), *lengths, "--users", "1"]) == 2
    assert "not a twin" in capsys.readouterr().err


@pytest.mark.parametrize("rows", ["[]", "[[0, 0.1, 0.1, 0.1]]"])
def test_a_twin_without_scatter_is_refused(tmp_path: Path, fitted: RunFit, rows: str) -> None:
    file = tmp_path / "twin.toml"
    twin.write_twin(file, fitted.twin)
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = [f"scatter = {rows}" if line.startswith("scatter") else line for line in lines]
    file.write_text("\n".join(changed), encoding="utf-8")
    with pytest.raises(ConfigError, match="scatter: give a row for each number of users"):
        twin.load_twin(file)


def test_a_twin_with_costs_of_another_engine_is_refused(tmp_path: Path, fitted: RunFit) -> None:
    file = tmp_path / "twin.toml"
    twin.write_twin(file, fitted.twin)
    written = file.read_text(encoding="utf-8").partition("[steps]")[0]
    times = [list(time) for time in UNEVEN.batch_times_ms]
    file.write_text(f"{written}[steps]\nbatch_times_ms = {times}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="leave_one_out: its steps have 6 costs, and so has each"):
        twin.load_twin(file)


def test_random_engines_are_recovered_and_foretold() -> None:
    """Two of those whose coverage tests/perf/twin_accuracy.py prints."""
    assert exact_errors(1).max() < RECOVERED
    measured = trial(1000)
    assert measured.figure_errors.max() < 0.1
    assert measured.figures_held.mean() > 0.7
