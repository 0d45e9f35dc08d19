"""The hooks of the plugin. Each example can be pasted into a ``conftest.py``."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from llmbench.config import ModelConfig
from llmbench.results import CellResult
from llmbench.store import RunDir


@pytest.hookspec(firstresult=True)
def pytest_llmbench_models(config: pytest.Config) -> Sequence[ModelConfig] | None:
    """The model configurations to choose from; the first plugin that answers decides.

    By default every TOML file in the folder that the ini key ``llm_models_dir`` names::

        def pytest_llmbench_models(config):
            return load_models(Path("my_models"))
    """


@pytest.hookspec
def pytest_llmbench_cell_finished(
    config: pytest.Config, run: RunDir, cell_id: str, results: Sequence[CellResult]
) -> None:
    """All repeats of a cell have ended; the default puts their rows into ``cells.csv``::

    def pytest_llmbench_cell_finished(config, run, cell_id, results):
        send_to_dashboard(cell_id, [r.summary.ttft_ms for r in results])
    """


@pytest.hookspec(firstresult=True)
def pytest_llmbench_report(config: pytest.Config, run: RunDir) -> Path | None:
    """The session has ended; the default draws the charts and returns the path of the page::

    @pytest.hookimpl(wrapper=True)
    def pytest_llmbench_report(config, run):
        page = yield
        upload(run.path)
        return page
    """
