"""Closes a run once load and servers have ended: verdict, baseline, charts and page, seal."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.config import ConfigError
from llmbench.journal import disk_fault
from llmbench.plugin.ending.ci_reports import write_figures

if TYPE_CHECKING:
    from llmbench.plugin.state import PluginState
    from llmbench.store import RunDir


def close_run(state: PluginState) -> None:
    """Draw the report and store the baseline; what fails is a problem, and the rest is done."""
    if not state.begun:
        return
    from llmbench.audit import seal
    from llmbench.bench import discard_if_empty, end_run

    run_dir = state.run_dir
    if discard_if_empty(run_dir):
        return
    ours = (_point_latest, _compare, _save_baseline, _draw, write_figures)
    steps: list[Callable[[RunDir], object]] = [end_run, *(partial(step, state) for step in ours)]
    for step in (*steps, seal):
        try:
            step(run_dir)
        except ConfigError as error:
            state.problems.append(str(error))
        except OSError as error:
            state.problems.append(disk_fault(error) or str(error))


def _point_latest(state: PluginState, run_dir: RunDir) -> None:
    """Let ``latest`` among the runs lead to this one, unless it has a place of its own."""
    if run_dir.path.parent == state.options.settings.runs_dir:
        from llmbench.bench import point_latest

        point_latest(run_dir.path)


def _draw(state: PluginState, run_dir: RunDir) -> None:
    state.page = state.config.hook.pytest_llmbench_report(config=state.config, run=run_dir)


def _compare(state: PluginState, run_dir: RunDir) -> None:
    """Keep the verdict on the run, and add it to the CI job's summary, if any."""
    if state.gated:
        state.verdict()
    from llmbench.report import kept_verdict
    from llmbench.verdict import markdown

    for verdict in state.verdicts[:1]:
        kept_verdict(run_dir, verdict)
    if any(verdict.failed for verdict in state.verdicts):
        state.problems.append("the gate is red")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and state.verdicts:
        with Path(summary).open("a", encoding="utf-8") as page:
            page.writelines(markdown(verdict) + "\n" for verdict in state.verdicts)


def _save_baseline(state: PluginState, run_dir: RunDir) -> None:
    name = state.options.save_baseline
    if name is not None and state.measured:
        from llmbench.verdict import save_baseline

        state.saved = save_baseline(state.options.baselines_dir, name, run_dir)
