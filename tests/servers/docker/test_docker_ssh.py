"""Engines behind SSH: a real sshd on 127.0.0.1 in front of the real engine's socket."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil
import pytest
from docker.context import ContextAPI

from llmbench.config import DockerServer, ModelConfig
from llmbench.servers.docker.engine import NoEngine, connect, engine_address
from llmbench.servers.docker.reach import published_ports
from llmbench.servers.docker.reach.published_ports import Reach, reach_of, reached
from llmbench.servers.docker.reach.ssh_tunnels import close_tunnel, socket_of, tunnel_to
from llmbench.servers.docker.watch import Watch
from llmbench.servers.running import LaunchError, RunningServer
from tests.processes import gone, running_python
from tests.servers.docker.fake_engine import ID, FakeEngine
from tests.servers.docker.sshd import SshHost, ssh_host

if TYPE_CHECKING:
    from docker import DockerClient

Launch = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshHost]:
    """The SSH host, at which DOCKER_HOST points; its engine's socket is missing."""
    with ssh_host(tmp_path) as host:
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        monkeypatch.setenv("DOCKER_HOST", f"ssh://lab{tmp_path}/docker.sock")
        yield host
        close_tunnel(f"ssh://lab{tmp_path}/docker.sock")


@pytest.fixture
def lab_engine(
    tmp_path: Path, docker_engine: "DockerClient", request: pytest.FixtureRequest
) -> SshHost:
    """The same with this host's engine behind it."""
    address = engine_address()
    if not address.startswith("unix://"):
        pytest.skip(f"needs an engine at a Unix socket, not {address}")
    (tmp_path / "docker.sock").symlink_to(address.removeprefix("unix://"))
    host: SshHost = request.getfixturevalue("lab")  # which sets DOCKER_HOST
    return host


def ssh_processes() -> list[psutil.Process]:
    """The ssh clients below this process."""
    return [p for p in psutil.Process().children(recursive=True) if p.name() == "ssh"]


@pytest.mark.usefixtures("lab_engine")
def test_one_ssh_serves_all_connections_and_streams() -> None:
    with closing(connect()) as first, closing(connect()) as second:
        assert first.version() == second.version()
        now = first.info()["SystemTime"]
        assert list(first.events(since=now, until=now, decode=True)) == []
    assert len(ssh_processes()) == 1


@pytest.mark.usefixtures("lab_engine")
def test_a_context_at_ssh_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = os.environ["DOCKER_HOST"]
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    ContextAPI.create_context("lab", host="unix:///x")
    (meta,) = tmp_path.glob("contexts/meta/*/meta.json")
    meta.write_text(
        meta.read_text().replace("http+unix:///x", address)
    )  # as the docker command does
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    assert engine_address() == address
    connect().close()


@pytest.mark.usefixtures("lab_engine")
def test_a_container_behind_ssh_is_measured_directly(launch: Launch, smollm2: ModelConfig) -> None:
    with launch(smollm2) as server:
        got = server.endpoint.launch
        assert not got.ssh_tunnel
        assert httpx.get(f"{server.endpoint.base_url}/health").status_code == 200
        assert server.died() is None
        assert got.log_file is not None
        assert "loading model" in Path(got.log_file).read_text(encoding="utf-8")  # a stream
        with closing(connect()) as client:
            container = client.containers.get(str(got.container_id))
            bound = container.ports["8080/tcp"]
            container.kill()
        assert (
            server.died()
            == "container stopped from outside (docker kill, stop or rm), exit code 137"
        )
    port = urlsplit(server.endpoint.base_url).port
    assert bound == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]  # lab is 127.0.0.1
    assert len(ssh_processes()) == 1


@pytest.mark.usefixtures("lab_engine")
def test_its_load_goes_through_ssh_if_that_is_asked_for(
    launch: Launch, smollm2: ModelConfig
) -> None:
    assert isinstance(smollm2.server, DockerServer)
    server = msgspec.structs.replace(smollm2.server, ssh_tunnel=True)
    with launch(msgspec.structs.replace(smollm2, server=server)) as running:
        got = running.endpoint.launch
        assert got.ssh_tunnel
        port = urlsplit(running.endpoint.base_url).port
        (forward,) = [p for p in ssh_processes() if f"127.0.0.1:{port}:" in " ".join(p.cmdline())]
        assert httpx.get(f"{running.endpoint.base_url}/health").status_code == 200
    assert gone(forward.pid)


def refusal() -> str:
    with pytest.raises(NoEngine) as error:
        connect()
    return str(error.value)


@pytest.mark.usefixtures("lab")
def test_without_an_ssh_client_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal() == (
        "needs Docker, and there is no ssh client here for ssh://lab: install OpenSSH's"
    )


def test_an_unknown_host_key_is_told(lab: SshHost) -> None:
    (lab.folder / "known_hosts").unlink()
    assert refusal() == (
        "needs Docker, and ssh://lab has a host key that isn't known here: connect once with "
        "ssh ssh://lab and accept it"
    )


def test_a_changed_host_key_is_told(lab: SshHost) -> None:
    lab.know("other_key")
    assert refusal() == (
        "needs Docker, and ssh://lab has another host key than the known one: see what "
        "ssh ssh://lab says"
    )


def test_a_user_who_is_not_let_in_is_told(lab: SshHost) -> None:
    (lab.folder / "user_key.pub").write_bytes((lab.folder / "other_key.pub").read_bytes())
    assert refusal() == (
        "needs Docker, and ssh://lab lets this user in with no key: ssh ssh://lab has to work "
        "without a password (a key in ssh-agent, or IdentityFile in ~/.ssh/config)"
    )


NOT_THERE = (
    "needs Docker, and no engine answers at ssh://lab{0}: ssh gets in, but not to {0} there: start "
    "Docker on that host, let its user use it (group docker), and let its sshd forward to sockets "
    "(AllowStreamLocalForwarding)"
)


def test_a_missing_socket_is_told(lab: SshHost) -> None:
    assert refusal() == NOT_THERE.format(lab.folder / "docker.sock")


def test_a_host_that_forbids_forwards_is_told(
    tmp_path: Path, docker_engine: "DockerClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = urlsplit(engine_address()).path
    with ssh_host(tmp_path, "AllowStreamLocalForwarding no"):
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        monkeypatch.setenv("DOCKER_HOST", f"ssh://lab{socket}")
        assert refusal() == NOT_THERE.format(socket)
        close_tunnel(f"ssh://lab{socket}")


@pytest.mark.usefixtures("lab")
def test_an_unknown_host_is_told_in_ssh_s_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://nowhere.invalid")
    assert refusal().startswith(
        "needs Docker, and ssh://nowhere.invalid can't be reached: "
        "ssh: Could not resolve hostname nowhere.invalid"
    )


def test_a_password_in_the_address_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me:secret@lab")
    assert refusal() == (
        "needs Docker, and an ssh address with a password can't be used: ssh takes none; use a key"
    )


@pytest.mark.usefixtures("lab_engine")
def test_a_broken_tunnel_is_made_anew() -> None:
    connect().close()
    (first,) = ssh_processes()
    first.kill()
    first.wait(10)
    assert tunnel_to(os.environ["DOCKER_HOST"]).ended(10)
    connect().close()
    (second,) = ssh_processes()
    assert second.pid != first.pid


SESSION = """
import psutil, sys
from llmbench.servers.docker.engine import connect
connect().close()
print(*[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("lab_engine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ssh_ends_with_the_session_however_that_ends(number: signal.Signals) -> None:
    with running_python("-c", SESSION, stdin=-1) as session:
        assert session.stdout is not None
        below = [int(word) for word in session.stdout.readline().split()]
        assert len(below) == 2  # ssh and what ends it
        session.send_signal(number)
        assert all(gone(pid) for pid in below)


@pytest.mark.usefixtures("lab")
def test_ports_are_reached_at_the_address_that_ssh_knows() -> None:
    assert reach_of("ssh://me@far") == Reach("0.0.0.0", "192.0.2.7")
    assert reach_of("ssh://lab") == Reach("127.0.0.1", "127.0.0.1")
    assert reach_of("ssh://me@far/x", ssh_tunnel=True) == (
        Reach("127.0.0.1", "127.0.0.1", "ssh://me@far")
    )


def test_the_socket_is_the_usual_one_unless_the_address_names_another() -> None:
    assert socket_of("ssh://me@lab:2222") == "/var/run/docker.sock"
    assert socket_of("ssh://lab/run/user/1000/docker.sock") == "/run/user/1000/docker.sock"


def test_a_port_that_is_closed_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_ports, "_silence", lambda host, port: f"no answer of {host}")
    engine = FakeEngine()
    with engine.serving() as address, closing(_client(address)) as client:
        watch = Watch(client.containers.get(ID), "far", tmp_path / "far.log", None)
        watch.join_log()
        for behind_ssh in (False, True):
            with (
                pytest.raises(LaunchError) as error,
                reached(Reach("0.0.0.0", "far"), 32768, watch, behind_ssh=behind_ssh),
            ):
                pass
    assert str(error.value) == (
        "far: port 32768 of far, which the container is published on, can't be reached from here: "
        "no answer of far\n  hint: open the ports that Docker publishes on far to this host; or "
        "measure through SSH, whose time is then in the numbers (--llm-ssh-tunnel)"
    )


def _client(address: str) -> "DockerClient":
    import docker

    return docker.DockerClient(base_url=address)
