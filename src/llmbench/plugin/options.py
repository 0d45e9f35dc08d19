"""The plugin's options: each on the command line, in the ini file, and where it fits in a TOML."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from llmbench.access import check_secrets, check_url
from llmbench.apis import dialect
from llmbench.bench import Settings, grid_of, merge, parse_setting, repeats_of
from llmbench.config import ConfigError, Grid, ModelConfig, RemoteServer, load_models, nearest


class Option(NamedTuple):
    """``--llm-NAME METAVAR`` and the ini key ``llm_NAME``; `grid` names its key in a TOML."""

    name: str
    metavar: str
    help: str
    grid: str | None = None

    @property
    def flag(self) -> str:
        return f"--llm-{self.name}"

    @property
    def ini(self) -> str:
        return f"llm_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("url", "URL", "measure the server that answers there, instead of launching one"),
    Option("api", "NAME", "dialect of --llm-url (default openai-completions)"),
    Option("model", "NAME", "model name that requests to --llm-url carry"),
    Option("tokenizer", "ID|DIR", "tokenizer that counts the prompts for --llm-url"),
    Option("input-tokens", "N,N", "prompt lengths in tokens", "input_tokens"),
    Option("output-tokens", "N,N", "output lengths in tokens", "output_tokens"),
    Option("users", "N,N", "numbers of concurrent users (closed loop)", "users"),
    Option("requests", "N", "measured requests for each user (default 5)", "requests"),
    Option("duration", "S", "measure each cell for S seconds instead of a count", "duration_s"),
    Option(
        "repeats", "N|N..M", "repeats of each cell; N..M stops when the verdict is known", "repeats"
    ),
    Option("spawn-rate", "R", "users that start each second (default: all at once)", "spawn_rate"),
    Option("rates", "R,R", "arrival rates in requests/s (open loop)", "rates"),
    Option("arrivals", "NAME", "poisson (default), constant, or gamma:SHAPE", "arrivals"),
    Option("cores", "N,N", "CPU cores of the container, swept", "cores"),
    Option("memory", "M,M", "memory of the container, swept: 512m,2g", "memory"),
    Option("ab", "A,B", "models that test_ab.py compares, interleaved A B B A"),
    Option("trace", "FILE", "replay this trace (test_rate.py)"),
    Option("workers", "N", "load generating processes (default 1)"),
    Option("cluster", "ADDRESS", "Dask scheduler whose workers generate the load"),
    Option("seed", "N", "seed of prompts and arrivals (default 1)"),
    Option("timeout", "S", "longest time for one request"),
    Option("run-dir", "DIR", "directory of this run (default reports/runs/<utc>-<sha>)"),
    Option("prompts-dir", "DIR", "where prompt files are kept (default fixtures/prompts)"),
    Option("prompts", "SOURCE", "hub dataset, file or package: that prompts are made of"),
    Option("models-dir", "DIR", "folder of model TOML files (default fixtures/models)"),
    Option("baselines-dir", "DIR", "folder of stored baselines (default reports/baselines)"),
    Option("save-baseline", "NAME", "store this run as a baseline"),
    Option("baseline", "NAME", "compare with that baseline; exit status 1 on a regression"),
    Option("tolerance", "M=P%,…", "change that is no regression, as in ttft=10%,throughput=5%"),
)
BY_NAME = {option.name: option for option in OPTIONS}
DEFAULTS = {
    "api": "openai-completions",
    "workers": "1",
    "seed": "1",
    "prompts-dir": "fixtures/prompts",
    "models-dir": "fixtures/models",
    "baselines-dir": "reports/baselines",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option on the command line and in the ini file."""
    group = parser.getgroup("llmbench", "benchmark LLM inference servers")
    for option in OPTIONS:
        shown = option.help.replace("%", "%%")
        group.addoption(option.flag, metavar=option.metavar, default=None, help=shown)
        parser.addini(option.ini, f"{option.flag}: {option.help}", default=None)
    group.addoption(
        "--llm-compare-anyway",
        action="store_true",
        help="compare with a baseline of another fingerprint, and stamp the verdict so",
    )


def text_of(config: pytest.Config, name: str) -> str | None:
    """The value of an option as text: command line, else ini, else its default."""
    option = BY_NAME[name]
    said: str | None = config.getoption(option.flag)
    return said if said is not None else (config.getini(option.ini) or DEFAULTS.get(name))


def count_of(config: pytest.Config, name: str) -> int:
    """The value of an option that is a whole number of at least 1."""
    text = text_of(config, name) or ""
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise ConfigError(f"{BY_NAME[name].flag}: {text!r} is no whole number of at least 1")
    return int(text)


def path_of(config: pytest.Config, name: str) -> Path:
    """The value of an option that is a path; relative ones count from the root directory."""
    return config.rootpath / (text_of(config, name) or "")


def grids(config: pytest.Config) -> tuple[Grid, Grid]:
    """What the command line and the ini file say of the grid."""
    settings = [option for option in OPTIONS if option.grid is not None]
    said = _grid(settings, lambda option: config.getoption(option.flag), lambda o: o.flag)
    ini = _grid(settings, lambda option: config.getini(option.ini), lambda o: f"ini {o.ini}")
    return said, ini


def ab_pair(config: pytest.Config) -> tuple[str, str]:
    """The two models of ``--llm-ab``; two empty names where it isn't given."""
    text = text_of(config, "ab")
    if text is None:
        return "", ""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise ConfigError(f"--llm-ab: {text!r} is not the names of two models, as in a,b")
    known = [model.name for model in models(config)]
    for name in names:
        choose(name, known, "--llm-ab")
    return names[0], names[1]


def merged_grid(config: pytest.Config, model: ModelConfig) -> Grid:
    """The grid of `model`: command line over TOML over ini over defaults."""
    said, ini = grids(config)
    return merge(said, model.grid, ini)


def models(config: pytest.Config) -> tuple[ModelConfig, ...]:
    """The configurations to measure: the hook's, or the one that --llm-url describes."""
    chosen = [remote_model(config)] if text_of(config, "url") else _from_hook(config)
    for model in chosen:
        _check_access(model)
    if text_of(config, "timeout") is None:
        return tuple(chosen)
    seconds = _timeout_s(config)
    client = [msgspec.structs.replace(m.client, request_timeout_s=seconds) for m in chosen]
    return tuple(msgspec.structs.replace(m, client=c) for m, c in zip(chosen, client, strict=True))


def remote_model(config: pytest.Config) -> ModelConfig:
    """The configuration that --llm-url, --llm-model, --llm-api and --llm-tokenizer describe."""
    url = text_of(config, "url") or ""
    check_url(url, "--llm-url")
    missing = [BY_NAME[n].flag for n in ("model", "tokenizer") if not text_of(config, n)]
    if missing:
        raise ConfigError(f"--llm-url needs {' and '.join(missing)} as well")
    model = text_of(config, "model") or ""
    return ModelConfig(
        name=re.sub(r"[^A-Za-z0-9.]+", "-", model).strip("-").lower() or "remote",
        title=f"{model} at {url}",
        model=model,
        api=text_of(config, "api") or "",
        tokenizer=text_of(config, "tokenizer") or "",
        server=RemoteServer(url=url),
    )


def session_settings(config: pytest.Config) -> Settings:
    """What holds for the whole session."""
    run_dir = text_of(config, "run-dir")
    said, ini = grids(config)
    return Settings(
        runs_dir=config.rootpath / "reports" / "runs",
        prompts_dir=path_of(config, "prompts-dir"),
        prompt_source=text_of(config, "prompts"),
        run_dir=None if run_dir is None else config.rootpath / run_dir,
        seed=count_of(config, "seed"),
        repeats=repeats_of(merge(said, ini), BY_NAME["repeats"].flag),
        workers=count_of(config, "workers"),
        cluster=text_of(config, "cluster"),
        command=tuple(config.invocation_params.args),
        options={o.name: v for o in OPTIONS if (v := config.getoption(o.flag)) is not None},
    )


def default_models(config: pytest.Config) -> Sequence[ModelConfig]:
    """Every TOML file of the models folder; a clear error where there is none."""
    folder = path_of(config, "models-dir")
    found = load_models(folder)
    if not found:
        raise ConfigError(
            f"{folder}: no model configuration (*.toml) there; write one (docs/models.md), "
            "name another folder with --llm-models-dir, or measure a running server with --llm-url"
        )
    return found


def check_options(config: pytest.Config) -> None:
    """Read every option once, so that a mistake is told before anything is collected."""
    session_settings(config)
    if text_of(config, "url"):
        _check_access(remote_model(config))
    if text_of(config, "timeout"):
        _timeout_s(config)
    tolerance, baseline = text_of(config, "tolerance"), text_of(config, "baseline")
    if tolerance or baseline:
        from llmbench.verdict import load_baseline, parse_tolerances

        parse_tolerances(tolerance)
        if baseline:
            load_baseline(path_of(config, "baselines-dir"), baseline)


def choose(kind: str, valid: Sequence[str], where: str) -> str:
    """`kind` if it is one of `valid`, else an error that names the nearest."""
    if kind not in valid:
        raise ConfigError(f"{where}: unknown {kind!r}{nearest(kind, list(valid))}")
    return kind


def _grid(
    options: Sequence[Option],
    value: Callable[[Option], object],
    where: Callable[[Option], str],
) -> Grid:
    """The `Grid` of the options that have a text."""
    said = {}
    for option in options:
        text = value(option)
        if text and option.grid is not None:
            said[option.grid] = where(option), parse_setting(option.grid, str(text), where(option))
    return grid_of(said)


def _check_access(model: ModelConfig) -> None:
    """Refuse an unknown dialect, a secret in a file, and an URL that is none."""
    try:
        dialect(model.api)
    except ConfigError as error:
        raise ConfigError(f"{model.name}: {error}") from None
    check_secrets(model.client, model.name)
    if isinstance(model.server, RemoteServer):
        check_url(model.server.url, f"{model.name}: server.url")


def _from_hook(config: pytest.Config) -> list[ModelConfig]:
    found: Sequence[ModelConfig] = config.hook.pytest_llmbench_models(config=config)
    return list(found)


def _timeout_s(config: pytest.Config) -> float:
    flag = BY_NAME["timeout"].flag
    value = parse_setting("duration_s", text_of(config, "timeout") or "", flag)
    seconds = grid_of({"duration_s": (flag, value)}).duration_s
    assert seconds is not None
    return seconds


def xdist_in_use(config: pytest.Config) -> bool:
    """Whether tests of this session are dealt to several processes."""
    return bool(config.getoption("numprocesses", None)) or "PYTEST_XDIST_WORKER" in os.environ
