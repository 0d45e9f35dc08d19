"""Any command as a server: started, watched, and ended with all that it started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from llmbench.cells import Limits
from llmbench.config import CommandServer, ConfigError, ModelConfig, load_model
from llmbench.process import GRACE_S
from llmbench.servers.launching import launch, unavailable
from llmbench.servers.placement.placing import Placement
from llmbench.servers.placement.sysfs import usable_cores
from llmbench.servers.running import LaunchError, RunningServer

SIMULATE = (sys.executable, "-m", "llmbench.cli", "simulate", "--port", "{port}", "--ttft-ms", "5")
ONE_CORE = Placement(usable_cores()[:1], usable_cores()[-1:])
ROOT = str(Path(__file__).parents[2])
ESCAPING = f"""
setsid sleep 1000 &
echo $! > "$0"
exec {sys.executable} -m llmbench.cli simulate --port "$1"
"""
PARENT = """
import sys, time
from pathlib import Path
from tests.servers.test_command import escaping, launched
with launched(escaping(Path(sys.argv[1])), Path(sys.argv[1])) as server:
    if len(sys.argv) > 2:
        server.pause()
    print(server.endpoint.launch.pid, flush=True)
    time.sleep(60)
"""
"""Holds a server, which is paused where there is a second argument."""


def model(*command: str, **keys: object) -> ModelConfig:
    server = CommandServer(command or SIMULATE, **keys)  # type: ignore[arg-type]
    return ModelConfig("mine", "Mine", "m", "openai-completions", "none", server)


def escaping(folder: Path) -> ModelConfig:
    """A command that starts another in a session of its own, and tells its pid."""
    return model("bash", "-c", ESCAPING, str(folder / "escaped.pid"), "{port}")


@contextmanager
def launched(
    config: ModelConfig,
    folder: Path,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Iterator[RunningServer]:
    with launch(config, limits, log_dir=folder, cores=ONE_CORE, session="s") as server:
        yield server


def escaped(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "escaped.pid").read_text()))


def has_ended(process: psutil.Process) -> bool:
    try:
        process.wait(20)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_a_command_serves_on_the_port_that_it_was_given(tmp_path: Path) -> None:
    with launched(model(), tmp_path) as server:
        launch_record = server.endpoint.launch
        assert httpx.get(f"{server.endpoint.base_url}/health").is_success
        assert server.died() is None
        sample = server.sample()
    assert launch_record.kind == "command"
    assert launch_record.cores == ONE_CORE.server
    assert launch_record.first_token_s is not None
    assert sample is not None and sample.memory_bytes > 2**20
    assert "simulated server at http://127.0.0.1:" in (tmp_path / "mine.log").read_text()


def test_it_keeps_to_its_cores(tmp_path: Path) -> None:
    with launched(model(), tmp_path) as server:
        pid = server.endpoint.launch.pid
        assert pid is not None
        (child,) = psutil.Process(pid).children()
        assert tuple(child.cpu_affinity()) == ONE_CORE.server


def test_it_is_ended_with_what_it_started_in_a_session_of_its_own(tmp_path: Path) -> None:
    with launched(escaping(tmp_path), tmp_path):
        process = escaped(tmp_path)
        assert process.is_running()
    assert has_ended(process)


@pytest.mark.parametrize(
    ("signum", "more"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGHUP, ()),
        (signal.SIGKILL, ()),
        (signal.SIGKILL, ("paused",)),
    ],
)
def test_nothing_is_left_when_the_harness_gets(
    signum: signal.Signals, more: tuple[str, ...], tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), *more],
        stdout=subprocess.PIPE,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        with parent.stdout:
            supervisor = psutil.Process(int(parent.stdout.readline()))
        server, process = supervisor.children()[0], escaped(tmp_path)
        parent.send_signal(signum)
        parent.wait(30)
    finally:
        parent.kill()
        parent.wait()
    assert has_ended(supervisor) and has_ended(server) and has_ended(process)


def test_a_paused_command_is_stopped_whole_and_goes_on_when_resumed(tmp_path: Path) -> None:
    with launched(escaping(tmp_path), tmp_path) as server:
        assert server.endpoint.launch.pid is not None
        supervisor = psutil.Process(server.endpoint.launch.pid)
        processes = [supervisor.children()[0], escaped(tmp_path)]
        assert server.pause()
        assert [it.status() for it in processes] == [psutil.STATUS_STOPPED] * 2
        assert supervisor.status() != psutil.STATUS_STOPPED  # it ends the others
        server.resume()
        assert httpx.get(f"{server.endpoint.base_url}/health").is_success


def test_a_paused_command_ends_at_once_when_its_server_is_stopped(tmp_path: Path) -> None:
    with launched(model(), tmp_path) as server:
        assert server.pause()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < GRACE_S


def test_a_command_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    config = model("bash", "-c", "echo no weights; exit 3", "{port}")
    with pytest.raises(LaunchError) as caught, launched(config, tmp_path):
        pass
    assert str(caught.value).startswith("mine: the server's process ended\n  exit code: 3\n")
    assert "no weights" in str(caught.value)


def test_a_server_that_dies_is_noticed(tmp_path: Path) -> None:
    with launched(model(), tmp_path) as server:
        pid = server.endpoint.launch.pid
        assert pid is not None
        (child,) = psutil.Process(pid).children()
        child.kill()
        psutil.Process(pid).wait(20)
        assert "the server's process ended" in (server.died() or "")


@pytest.mark.parametrize(
    ("config", "limits", "why"),
    [
        (
            model("no-such-server", "{port}"),
            Limits(),
            "needs the command no-such-server, which is not on the PATH",
        ),
        (
            model(environment=("LLMBENCH_NOT_SET",)),
            Limits(),
            "needs the environment variable LLMBENCH_NOT_SET, which is not set",
        ),
        (
            model(),
            Limits(memory_bytes=2**30),
            "a process can't be limited in memory; use a docker configuration",
        ),
        (
            model(),
            Limits(cores=0.5),
            "a process can't have 0.5 cores, only whole ones; use docker for fractions",
        ),
        (model(cores=999), Limits(), f"needs 999 cores, this host has {len(usable_cores())}"),
        (model(), Limits(), None),
    ],
)
def test_what_this_host_cannot_run(config: ModelConfig, limits: Limits, why: str | None) -> None:
    assert unavailable(config, limits) == why


def test_a_command_without_a_port_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"^mine: server\.command has no \{port\}: put it where"),
        launched(model("sleep", "1"), tmp_path),
    ):
        pass


def test_instances_can_t_share_a_fixed_port(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"^mine: server\.port is the same for all 2 instances"),
        launched(model("sleep", "1", port=8000), tmp_path, Limits(instances=2)),
    ):
        pass


def test_an_unknown_placeholder_names_the_nearest(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"unknown placeholder \{slot\}; did you mean 'slots'\?"),
        launched(model("serve", "{port}", "{slot}"), tmp_path),
    ):
        pass


def test_the_table_of_a_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\nmodel = "m"\napi = "openai-chat"\ntokenizer = "t"\n'
        '[server]\nkind = "command"\ncommand = ["serve", "{port}"]\n'
    )
    assert load_model(path).server == CommandServer(("serve", "{port}"))


GPUS = """
import sys
from pathlib import Path
from tests.servers.gpus.conftest import FakeNvml

sys.modules["pynvml"] = FakeNvml({"uuid": "GPU-aa"}, {"uuid": "GPU-bb", "percent": 40})
from llmbench.servers.running import LaunchError
from tests.servers.test_command import launched, model

config = model(environment=("CUDA_VISIBLE_DEVICES",))
with launched(config, Path(sys.argv[1])) as server:
    print(server.endpoint.launch.gpus, server.sample().gpus[0].percent)
    try:
        with launched(config, Path(sys.argv[1])):
            print("two servers share a GPU")
    except LaunchError as error:
        print(error.state)
"""
"""A session on a host whose GPUs are played: no command of it computes on one."""


def test_a_command_holds_and_samples_the_gpus_that_it_is_shown(tmp_path: Path) -> None:
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "1",
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": ROOT,
    }
    session = subprocess.run(
        [sys.executable, "-c", GPUS, str(tmp_path)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = session.stdout.splitlines()
    assert lines[0] == "('GPU-bb',) 40"
    assert lines[1].startswith("needs 1 GPU, 0 free: GPU 1 is used by another session (pid ")
