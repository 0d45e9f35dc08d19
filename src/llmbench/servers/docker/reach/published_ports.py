"""Says how a container's port is reached on the engine's host: directly, or through SSH."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from msgspec import Struct

from llmbench.servers.docker.reach.ssh_tunnels import (
    TunnelError,
    forwarded_port,
    host_name,
    host_of,
)
from llmbench.servers.docker.watch import Watch

LOOPBACK = "127.0.0.1"
KNOCK_S = 5.0
"""The time that a host has to answer where one of its ports is knocked at."""


class Reach(Struct, frozen=True):
    """The address that a container's port is bound to, and the host under which it is reached.

    With `through_ssh`, an ssh destination, that is by a forward to the host's own 127.0.0.1.
    """

    publish_on: str
    host: str
    through_ssh: str | None = None


def reach_of(address: str, *, ssh_tunnel: bool = False) -> Reach:
    """How ports are reached on the host of the engine at `address`.

    Behind SSH that is directly, since time through a tunnel is not the server's, unless
    `ssh_tunnel` asks for it.
    """
    parts = urlsplit(address)
    if parts.scheme == "ssh" and ssh_tunnel:
        return Reach(LOOPBACK, LOOPBACK, host_of(address))
    host = host_name(host_of(address)) if parts.scheme == "ssh" else parts.hostname or ""
    elsewhere = parts.scheme in {"tcp", "http", "https", "ssh"}
    if not elsewhere or host in {"localhost", "::1"} or host.startswith("127."):
        return Reach(LOOPBACK, LOOPBACK)
    return Reach("0.0.0.0", host)


@contextmanager
def reached(reach: Reach, port: int, watch: Watch, *, behind_ssh: bool) -> Iterator[str]:
    """The host and port under which the engine host's `port` is reached while the context is open.

    `LaunchError` says that it can't be.
    """
    if reach.through_ssh is not None:
        log_file = watch.log_file.with_suffix(".ssh.log")
        try:
            opened = forwarded_port(reach.through_ssh, port, log_file)
            with opened as here:
                yield f"{LOOPBACK}:{here}"
        except TunnelError as error:
            raise watch.error(str(error)) from None
        return
    silence = _silence(reach.host, port)
    if silence is not None:
        hint = f"open the ports that Docker publishes on {reach.host} to this host"
        tunnel = "; or measure through SSH, whose time is then in the numbers (--llm-ssh-tunnel)"
        raise watch.error(
            f"port {port} of {reach.host}, which the container is published on, can't be reached "
            f"from here: {silence}",
            hint=hint + tunnel * behind_ssh,
        )
    host = f"[{reach.host}]" if ":" in reach.host else reach.host
    yield f"{host}:{port}"


def _silence(host: str, port: int) -> str | None:
    """Why nothing comes back from a port; None if something does.

    A refusal is an answer: the container's server may not listen yet.
    """
    try:
        socket.create_connection((host, port), timeout=KNOCK_S).close()
    except ConnectionRefusedError:
        return None
    except TimeoutError:
        return f"no answer in {KNOCK_S:g} s"
    except OSError as error:
        return str(error.strerror or error)
    return None
