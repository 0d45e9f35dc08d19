"""Containers from start to end, for real."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
import requests

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig
from llmbench.servers.docker.container import launch_docker
from llmbench.servers.docker.reaper import reap
from llmbench.servers.docker.spec import docker_run_line
from llmbench.servers.placement.placing import place
from llmbench.servers.running import LaunchError, RunningServer
from tests.processes import Running, running_python

if TYPE_CHECKING:
    from docker import DockerClient

Launch = Callable[..., AbstractContextManager[RunningServer]]
Ours = Callable[[str], list[str]]
Server = Callable[..., ModelConfig]

DRILL = """
import faulthandler
import sys
from pathlib import Path
from llmbench.cells import Limits
from llmbench.config import load_model
from llmbench.servers import place
from llmbench.servers.docker import launch_docker

faulthandler.dump_traceback_later(20)  # where it stands if it does not end
config = load_model(Path("fixtures/models/smollm2-135m-docker.toml"))
with launch_docker(config, Limits(1, 512 << 20), log_dir=Path(sys.argv[1]), cores=place(1),
                   session=sys.argv[2], say=lambda line: print(line, file=sys.stderr)):
    print("ready", flush=True)
    sys.stdin.read()
"""
"""A session of its own that holds a container until its input ends, or it is ended."""

ROOT = Path(__file__).parents[3]


def started_drill(log_dir: Path, session: str) -> Running:
    """A process that begins a session."""
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    return running_python("-c", DRILL, str(log_dir), session, cwd=ROOT, **pipes)


@contextmanager
def drill(log_dir: Path, session: str) -> Iterator["subprocess.Popen[str]"]:
    """A process in the middle of a session."""
    with started_drill(log_dir, session) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            pytest.fail(f"the drill did not start: {process.communicate('')[1]}")
        yield process


def test_it_answers_and_says_what_it_got(
    launch: Launch, smollm2: ModelConfig, ours: Ours, docker_engine: "DockerClient"
) -> None:
    with launch(smollm2, 1, 512 << 20, "granted") as server:
        endpoint, got = server.endpoint, server.endpoint.launch
        assert httpx.get(f"{endpoint.base_url}/health").json() == {"status": "ok"}
        assert endpoint.base_url.startswith("http://127.0.0.1:")
        assert (got.kind, got.image) == ("docker", "llmbench-llama.cpp:latest")
        assert (got.cores, got.cpu_quota_cores, got.memory_limit_bytes) == ((0,), None, 512 << 20)
        assert got.image_digest == docker_engine.images.get("llmbench-llama.cpp:latest").id
        assert " ".join(got.command) == docker_run_line(smollm2, Limits(1, 512 << 20))
        assert got.first_token_s is not None
        assert got.healthy_s is not None
        assert 0 < got.healthy_s < got.first_token_s < 60
        assert got.peak_memory_bytes is not None
        assert 100 << 20 < got.peak_memory_bytes < 512 << 20  # weights and context, loaded
        assert server.died() is None
        assert got.log_file is not None
        assert "loading model" in Path(got.log_file).read_text(encoding="utf-8")
    assert ours("granted") == []


def test_a_fraction_of_a_core_is_a_quota_that_throttles(
    launch: Launch, smollm2: ModelConfig
) -> None:
    with launch(smollm2, 0.25, 512 << 20) as server:
        got = server.endpoint.launch
        assert (got.cores, got.cpu_quota_cores) == ((0,), 0.25)
        assert got.command[got.command.index("-t") + 1] == "1"
        throttled = 0
        for _ in range(20):  # a core that others keep busy may leave it less than its share
            httpx.post(f"{server.endpoint.base_url}/completion", json=SOME, timeout=60)
            sample = server.sample()
            assert sample is not None
            assert sample.throttled_periods is not None
            assert sample.cpu_limit_cores == 0.25
            throttled = sample.throttled_periods
            if throttled:
                break
        assert throttled > 0


def test_too_little_memory_is_told_at_once(launch: Launch, smollm2: ModelConfig) -> None:
    started = time.monotonic()
    unsized = msgspec.structs.replace(smollm2, size=None)  # else it would not be started at all
    with pytest.raises(LaunchError) as error, launch(unsized, 1, 96 << 20):
        pass
    assert time.monotonic() - started < 10  # not the 60 s of its deadline
    message = str(error.value)
    assert "container out of memory (limit 96m): the kernel killed it" in message
    assert "exit code: 137" in message
    assert "loading model" in message
    assert "hint: give it more memory (server.memory, --llm-memory)" in message


def test_a_program_that_gives_up_is_told_with_its_last_words(
    launch: Launch, python_server: Server, ours: Ours
) -> None:
    config = python_server("print('unrecognized arguments: --no-such'); raise SystemExit(2)")
    with pytest.raises(LaunchError) as error, launch(config, session="gives-up"):
        pass
    assert "python-server: container ended by itself (exited)" in str(error.value)
    assert error.value.exit_code == 2
    assert error.value.log_tail == ("unrecognized arguments: --no-such",)
    assert "the image does not know a flag" in str(error.value.hint)
    assert ours("gives-up") == []


def test_a_command_that_is_not_in_the_image_can_t_be_started(
    launch: Launch, python_server: Server, ours: Ours
) -> None:
    config = python_server("")
    assert isinstance(config.server, DockerServer)
    server = msgspec.structs.replace(config.server, entrypoint="/no/such/program")
    broken = msgspec.structs.replace(config, server=server)
    with pytest.raises(LaunchError) as error, launch(broken, session="no-command"):
        pass
    assert "the container can't be started" in str(error.value)
    assert "no such file" in str(error.value)
    assert ours("no-command") == []


def test_a_server_that_never_gets_ready_meets_its_deadline(
    launch: Launch, python_server: Server, ours: Ours
) -> None:
    config = python_server("import time; time.sleep(60)", start_timeout_s=1.0)
    with pytest.raises(LaunchError, match="not ready in time"), launch(config, session="late"):
        pass
    assert ours("late") == []


def test_an_oom_in_the_middle_is_a_reason(launch: Launch, python_server: Server) -> None:
    config = python_server(EATS)
    with launch(config, 1, 64 << 20) as server:
        assert server.died() is None
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{server.endpoint.base_url}/eat", timeout=30)
        assert server.died() == (
            "container out of memory (limit 64m): the kernel killed it, exit code 137"
        )
        assert server.sample() is None


SOME = {"prompt": "Once upon a time", "n_predict": 32}

EATS = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b'{"status": "ok"}')

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/eat":
            food = bytearray(1 << 30)
            food[::4096] = b"x" * (1 << 18)
        self.answer(b'data: {"content": "x", "stop": true}\\n\\n')

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
"""Answers one token, and takes a gibibyte when told to."""


def test_a_container_that_somebody_kills_says_so(
    launch: Launch, smollm2: ModelConfig, docker_engine: "DockerClient"
) -> None:
    with launch(smollm2) as server:
        docker_engine.containers.get(str(server.endpoint.launch.container_id)).kill()
        assert server.died() == (
            "container stopped from outside (docker kill, stop or rm), exit code 137"
        )


def test_a_container_that_somebody_removes_says_so(
    launch: Launch, smollm2: ModelConfig, docker_engine: "DockerClient"
) -> None:
    with launch(smollm2) as server:
        docker_engine.containers.get(str(server.endpoint.launch.container_id)).remove(force=True)
        assert server.died() == "container removed from outside"


def test_a_failing_test_leaves_nothing(launch: Launch, smollm2: ModelConfig, ours: Ours) -> None:
    with pytest.raises(ZeroDivisionError), launch(smollm2, session="fails"):
        assert len(ours("fails")) == 1
        raise ZeroDivisionError
    assert ours("fails") == []


@pytest.mark.usefixtures("server_image")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_nothing(ending: signal.Signals, tmp_path: Path, ours: Ours) -> None:
    with drill(tmp_path, ending.name) as process:
        assert len(ours(ending.name)) == 1
        process.send_signal(ending)
        assert process.wait(30) != 0
    assert ours(ending.name) == []


@pytest.mark.usefixtures("server_image")
def test_a_signal_while_it_loads_leaves_nothing(tmp_path: Path, ours: Ours) -> None:
    session = tmp_path.name  # of this try alone, whatever one before it left
    with started_drill(tmp_path, session) as process:
        while not ours(session):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        try:
            _, said = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"it did not end: {process.communicate()[1]}")
        assert process.returncode != 0, said
    assert ours(session) == [], said


@pytest.mark.usefixtures("server_image")
def test_what_kill_9_leaves_the_next_session_removes(
    tmp_path: Path, launch: Launch, smollm2: ModelConfig, ours: Ours
) -> None:
    with drill(tmp_path, "dead") as dead, drill(tmp_path, "living") as living:
        dead.kill()
        dead.wait(30)
        assert len(ours("dead")) == 1
        with launch(smollm2, session="next"):
            assert ours("dead") == []
            assert len(ours("living")) == 1
        assert living.poll() is None
        living.communicate("")
    assert ours("living") == []


def test_reap_names_what_it_removed(
    tmp_path: Path, docker_engine: "DockerClient", server_image: str, ours: Ours
) -> None:
    with drill(tmp_path, "named") as process:
        (name,) = ours("named")
        lines: list[str] = []
        assert name not in reap(docker_engine, lines.append)
        process.kill()
        process.wait(30)
        assert reap(docker_engine, lines.append) == [name]
    assert lines == [f"removed {name}, which a dead session had left"]


def test_a_removal_that_takes_too_long_is_told_and_ends_nothing(
    server_image: str,
    smollm2: ModelConfig,
    docker_engine: "DockerClient",
    ours: Ours,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(container: object, **options: bool) -> None:
        raise requests.ReadTimeout("Read timed out. (read timeout=60)")

    lines: list[str] = []
    cores = place(1)
    with monkeypatch.context() as patched:
        patched.setattr("docker.models.containers.Container.remove", slow)
        with launch_docker(
            smollm2, Limits(1), log_dir=tmp_path, cores=cores, session="slow", say=lines.append
        ):
            pass
    (name,) = ours("slow")
    docker_engine.containers.get(name).remove(force=True)
    assert lines[-1] == (
        f"{name} is not removed yet: Read timed out. (read timeout=60); "
        "the next session removes what is left of it"
    )


def test_a_launch_on_another_thread_leaves_signals_alone(
    launch: Launch, smollm2: ModelConfig
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def run() -> None:
        with launch(smollm2) as server:
            seen.append((server.died(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


def test_sigterm_is_as_before_afterwards(launch: Launch, smollm2: ModelConfig) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with launch(smollm2):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_paused_container_stands_still_and_is_removed_all_the_same(
    launch: Launch, smollm2: ModelConfig, ours: Ours, docker_engine: "DockerClient"
) -> None:
    with launch(smollm2, session="pausing") as server:
        url = f"{server.endpoint.base_url}/health"
        assert server.pause()
        assert server.died() is None
        before_ns = server.cpu_ns()
        with pytest.raises(httpx.TimeoutException):
            httpx.get(url, timeout=0.5)
        assert server.cpu_ns() == before_ns
        server.resume()
        assert httpx.get(url).is_success
        assert server.pause()
    assert ours("pausing") == []
