"""Reaches a Docker Engine behind SSH by forwards of the user's own ssh client.

The SDK's own ways through SSH stop at streams (logs, events) and know less of ssh's configuration
than ssh does. Here ssh leads a Unix socket of this process to the engine's socket; it is started
once for each engine, and ends with this process.
"""

import atexit
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from llmbench.servers.local.child import Child, running_child
from llmbench.servers.local.command import free_port
from llmbench.servers.local.command_main import CommandSettings
from llmbench.servers.running import LaunchError, tail

ENGINE_SOCKET = "/var/run/docker.sock"
"""Where an engine listens if its address names no other socket, as for the docker command."""

CONNECT_S = 30.0
"""The time that ssh has to connect, through jump hosts perhaps, and to open a forward."""

SSH = (
    *("ssh", "-N", "-T"),
    *("-o", "BatchMode=yes"),  # nobody is there to answer a question
    *("-o", "ExitOnForwardFailure=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=3"),
    *("-o", "ControlPath=none"),  # a shared connection would keep the forward when this ends
    *("-o", "LogLevel=INFO"),  # at which it tells why a forward does not work
)

_REASONS = (
    ("IDENTIFICATION HAS CHANGED", "has another host key than the known one: see what {ssh} says"),
    (
        "Host key verification failed",
        "has a host key that isn't known here: connect once with {ssh} and accept it",
    ),
    (
        "Permission denied",
        "lets this user in with no key: {ssh} has to work without a password (a key in "
        "ssh-agent, or IdentityFile in ~/.ssh/config)",
    ),
)
"""Parts of what ssh prints, with what they mean for the host."""


class TunnelError(Exception):
    """No way through SSH; the message says to which host, why, and what to do."""


def host_of(address: str) -> str:
    """The part of ``ssh://[USER@]HOST[:PORT][/SOCKET]`` that ssh takes as its destination."""
    return f"ssh://{urlsplit(address).netloc}"


def socket_of(address: str) -> str:
    """The engine's socket on that host."""
    path = urlsplit(address).path
    return path if path.strip("/") else ENGINE_SOCKET


def host_name(host: str) -> str:
    """The name or address under which ssh connects to `host`, by the user's configuration."""
    _check(host)
    told = subprocess.run(
        ["ssh", "-G", host], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    found = re.search(r"^hostname (.+)$", told.stdout, re.MULTILINE)
    if found is None:
        raise TunnelError(f"{host} is not a host to ssh: {told.stderr.strip()}")
    return found[1]


class Tunnel:
    """A Unix socket here that leads to the one of an engine, until it is closed."""

    def __init__(self, address: str) -> None:
        self.address = address
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llmbench-")))
            self.socket = folder / "docker.sock"
            forward = f"{self.socket}:{socket_of(address)}"
            opened = _forwarded(host_of(address), forward, self.socket.exists, folder / "ssh.log")
            self._child = stack.enter_context(opened)
            self._stack = stack.pop_all()

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether ssh has ended, or does so within a time."""
        return self._child.wait(within_s) is not None

    def refusal(self) -> str:
        """Why the engine may not answer at the other end; ssh says no more than that."""
        return (
            f"ssh gets in, but not to {socket_of(self.address)} there: start Docker on that host, "
            "let its user use it (group docker), and let its sshd forward to sockets "
            "(AllowStreamLocalForwarding)"
        )

    def close(self) -> None:
        self._stack.close()


_tunnels: dict[str, Tunnel] = {}
_lock = threading.Lock()


def tunnel_to(address: str) -> Tunnel:
    """The tunnel of this process to the engine at `address`; a new one where that has broken."""
    with _lock:
        tunnel = _tunnels.get(address)
        if tunnel is None or tunnel.ended():
            close_tunnel(address)
            tunnel = _tunnels[address] = Tunnel(address)
            atexit.register(close_tunnel, address)
        return tunnel


def close_tunnel(address: str) -> None:
    """End the tunnel to `address`, if there is one."""
    tunnel = _tunnels.pop(address, None)
    if tunnel is not None:
        tunnel.close()


@contextmanager
def forwarded_port(host: str, port: int, log_file: Path) -> Iterator[int]:
    """A port here that leads to `port` on `host`'s own 127.0.0.1, while the context is open."""
    here = free_port()

    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", here), timeout=1):
            return True
        return False

    with _forwarded(host, f"127.0.0.1:{here}:127.0.0.1:{port}", listens, log_file):
        yield here


@contextmanager
def _forwarded(
    host: str, forward: str, is_open: Callable[[], bool], log_file: Path
) -> Iterator[Child]:
    """Run ssh with one forward, open when the context is entered; `TunnelError` says why not."""
    _check(host)
    settings = CommandSettings((*SSH, "-L", forward, host), settings={}, port=0, cores=())
    with ExitStack() as stack:
        try:
            child = stack.enter_context(
                running_child(
                    host,
                    "llmbench.servers.local.command_main",
                    settings,
                    log_file=log_file,
                    timeout_s=CONNECT_S,
                )
            )
        except LaunchError as error:
            raise TunnelError(f"{host} can't be reached: {error.state}") from None
        deadline = time.monotonic() + CONNECT_S
        while not is_open():
            if child.failure() is not None:
                raise TunnelError(f"{host} {_reason(host, tail(log_file))}")
            if time.monotonic() > deadline:
                raise TunnelError(f"{host} can't be reached: no connection in {CONNECT_S:g} s")
            time.sleep(0.02)
        yield child


def _reason(host: str, lines: tuple[str, ...]) -> str:
    """What the last lines of an ssh that ended say of `host`."""
    text = "\n".join(lines)
    by_hand = f"ssh {host}"
    for pattern, meaning in _REASONS:
        if pattern in text:
            return meaning.format(ssh=by_hand)
    return f"can't be reached: {lines[-1] if lines else 'ssh ended without a word'}"


def _check(host: str) -> None:
    if shutil.which("ssh") is None:
        raise TunnelError(f"there is no ssh client here for {host}: install OpenSSH's")
    if urlsplit(host).password is not None:
        raise TunnelError("an ssh address with a password can't be used: ssh takes none; use a key")
