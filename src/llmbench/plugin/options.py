"""The plugin's options: on the command line, in the ini file, and some in a model's TOML.

They are parsed once, before anything is collected, into `Options`, which the rest of the plugin
reads.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct

from llmbench.bench import (
    AB_TIME_S,
    Settings,
    Sought,
    grid_of,
    merge,
    parse_setting,
    repeats_of,
)
from llmbench.config import ConfigError, Grid, ModelConfig
from llmbench.plugin.gate_terms import check_gate
from llmbench.plugin.option_table import BY_NAME, DEFAULTS, OF_URL, OPTIONS, Option
from llmbench.plugin.url_options import deal_of, sought, switch
from llmbench.records import Deal

NO_GRID = Grid()


class Options(Struct, frozen=True):
    """What a session was asked for. The command line wins over the ini file, which wins over the
    defaults; of the grid, a model's TOML stands between the two."""

    settings: Settings
    command_line_grid: Grid
    ini_grid: Grid
    models_dir: Path
    traffic_dir: Path
    baselines_dir: Path
    remote: Sought | None  # what --llm-url and the options beside it say
    timeout_s: float | None
    deal: Deal | None
    ssh_tunnel: bool
    ab: str | None
    trace: str | None
    baseline: str | None
    save_baseline: str | None
    tolerance: str | None
    inconclusive: Literal["pass", "fail"]
    host_allowance: str | None
    openmetrics: Path | None
    launch_allowance: str | None
    compare_anyway: bool

    def grid_of(self, model: ModelConfig, default: Grid = NO_GRID) -> Grid:
        """The grid of `model`: command line over TOML over ini over `default` over defaults."""
        return merge(self.command_line_grid, model.grid, self.ini_grid, default)

    def repeats_of(self, model: ModelConfig) -> tuple[int, int]:
        """The fewest and the most repeats of the cells of `model`."""
        return repeats_of(self.grid_of(model), f"{model.name}: grid.repeats")


def add_options(parser: pytest.Parser) -> None:
    """Declare every option on the command line and in the ini file."""
    group = parser.getgroup("llmbench", "benchmark LLM inference servers")
    for option in OPTIONS:
        shown = option.help.replace("%", "%%")
        if option.metavar:
            group.addoption(option.flag, metavar=option.metavar, default=None, help=shown)
        else:
            group.addoption(option.flag, action="store_const", const="true", help=shown)
        parser.addini(option.ini, f"{option.flag}: {option.help}", default=None)
    group.addoption(
        "--llm-compare-anyway",
        action="store_true",
        help="compare with a baseline of another fingerprint, and stamp the verdict so",
    )


def parse_options(config: pytest.Config) -> Options:
    """Parse every option; a `ConfigError` names the one with a mistake."""
    command_line_grid = _grid(lambda option: config.getoption(option.flag), lambda o: o.flag)
    ini_grid = _grid(lambda option: config.getini(option.ini), lambda o: f"ini {o.ini}")
    options = Options(
        settings=_settings(config, merge(command_line_grid, ini_grid)),
        command_line_grid=command_line_grid,
        ini_grid=ini_grid,
        models_dir=_path(config, "models-dir"),
        traffic_dir=_path(config, "traffic-dir"),
        baselines_dir=_path(config, "baselines-dir"),
        remote=_remote(config),
        timeout_s=_seconds(config, "timeout"),
        deal=deal_of(_text(config, "deal")),
        ssh_tunnel=switch(_text(config, "ssh-tunnel"), "--llm-ssh-tunnel"),
        ab=_text(config, "ab"),
        trace=_text(config, "trace"),
        baseline=_text(config, "baseline"),
        save_baseline=_text(config, "save-baseline"),
        tolerance=_text(config, "tolerance"),
        inconclusive=_inconclusive(config),
        host_allowance=_text(config, "host-allowance"),
        openmetrics=_path(config, "openmetrics") if _text(config, "openmetrics") else None,
        launch_allowance=_text(config, "launch-allowance"),
        compare_anyway=config.getoption("--llm-compare-anyway"),
    )
    check_gate(options)
    return options


def _text(config: pytest.Config, name: str) -> str | None:
    """The text of an option from the command line, else from the ini file, else its default."""
    option = BY_NAME[name]
    given: str | None = config.getoption(option.flag)
    return given if given is not None else (config.getini(option.ini) or DEFAULTS.get(name))


def _count(config: pytest.Config, name: str) -> int:
    """The value of an option that is a whole number of at least 1."""
    text = _text(config, name) or ""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise ConfigError(f"{BY_NAME[name].flag}: {text!r} is not a whole number of at least 1")
    return int(text)


def _path(config: pytest.Config, name: str) -> Path:
    """The value of an option that is a path.

    A relative one counts from where the user stands if it was given on the command line, and
    from `_home` otherwise.
    """
    given: str | None = config.getoption(BY_NAME[name].flag)
    if given is not None:
        return config.invocation_params.dir / given
    return _home(config) / (_text(config, name) or "")


def _home(config: pytest.Config) -> Path:
    """The folder of the ini file; without one, where the user stands.

    pytest's own root directory is then the common parent of all paths among its arguments, and
    the value of an option (``--llm-tokenizer /models/tiny``) can be one of these.
    """
    return config.rootpath if config.inipath is not None else config.invocation_params.dir


def _grid(value: Callable[[Option], object], where: Callable[[Option], str]) -> Grid:
    """The `Grid` of the options that were given; `where` names one in an error."""
    values = {}
    for option in OPTIONS:
        text = value(option) if option.grid is not None else None
        if text and option.grid is not None:
            parsed = parse_setting(option.grid, str(text), where(option))
            values[option.grid] = where(option), parsed
    return grid_of(values)


def _settings(config: pytest.Config, merged: Grid) -> Settings:
    """The settings that hold for the whole session, whatever the model."""
    return Settings(
        runs_dir=_home(config) / "reports" / "runs",
        prompts_dir=_path(config, "prompts-dir"),
        prompt_source=_text(config, "prompts"),
        run_dir=_path(config, "run-dir") if _text(config, "run-dir") else None,
        seed=_count(config, "seed"),
        ab_time_s=_seconds(config, "ab-time") or AB_TIME_S,
        search_time_s=_seconds(config, "search-time"),
        repeats=repeats_of(merged, BY_NAME["repeats"].flag),
        workers=_count(config, "workers"),
        cluster=_text(config, "cluster"),
        command=tuple(config.invocation_params.args),
        options={o.name: v for o in OPTIONS if (v := config.getoption(o.flag)) is not None},
    )


def _remote(config: pytest.Config) -> Sought | None:
    """What --llm-url and the options beside it say; None where it isn't given."""
    url = _text(config, "url")
    if not url:
        given = [flag for name in OF_URL if config.getoption(flag := BY_NAME[name].flag)]
        if given:
            raise ConfigError(
                f"{given[0]}: only with --llm-url; in a model's TOML write it under [request] or "
                "[client] (docs/models.md)"
            )
        return None
    return sought(
        url,
        model=_text(config, "model") or "",
        api=_text(config, "api") or "",
        tokenizer=_text(config, "tokenizer") or "",
        add=_text(config, "request-add"),
        omit=_text(config, "request-omit"),
        ca_file=None if not _text(config, "ca-file") else _path(config, "ca-file"),
        insecure=_text(config, "insecure"),
    )


def _seconds(config: pytest.Config, name: str) -> float | None:
    """The value of an option that is a time."""
    text, flag = _text(config, name), BY_NAME[name].flag
    if text is None:
        return None
    return grid_of({"duration_s": (flag, parse_setting("duration_s", text, flag))}).duration_s


def _inconclusive(config: pytest.Config) -> Literal["pass", "fail"]:
    match _text(config, "inconclusive"):
        case "pass" | "fail" as outcome:
            return outcome
        case text:
            flag = BY_NAME["inconclusive"].flag
            raise ConfigError(f"{flag}: {text!r} is neither pass nor fail")
