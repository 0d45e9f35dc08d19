"""A real SSH server on 127.0.0.1 for one test, and a client that knows only it."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from llmbench.servers.local.command import free_port
from tests.processes import running_process

SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
{more}
"""

CLIENT = """
Host lab
  HostName 127.0.0.1
  Port {port}
  User {user}
Host far
  HostName 192.0.2.7
Host *
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
"""


class SshHost(Struct, frozen=True):
    """A host that ssh knows as ``lab``, by the files in `folder`."""

    folder: Path
    port: int

    def know(self, key: str) -> None:
        """Have the client know it by the public host key of that name."""
        text = (self.folder / f"{key}.pub").read_text(encoding="utf-8")
        line = f"[127.0.0.1]:{self.port} {text}"
        (self.folder / "known_hosts").write_text(line, encoding="utf-8")


@contextmanager
def ssh_host(folder: Path, more: str = "") -> Iterator[SshHost]:
    """The server, with `more` lines in its configuration, and `folder`/bin/ssh to reach it."""
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    ssh = shutil.which("ssh")
    if found is None or ssh is None:
        pytest.skip("needs sshd and ssh (the packages openssh-server and openssh-client)")
    port = free_port()
    names = {"folder": folder, "port": port, "user": getpass.getuser(), "more": more}
    (folder / "sshd_config").write_text(SERVER.format(**names), encoding="utf-8")
    (folder / "ssh_config").write_text(CLIENT.format(**names), encoding="utf-8")
    (folder / "bin").mkdir()
    client = folder / "bin" / "ssh"
    client.write_text(f'#!/bin/sh\nexec {ssh} -F {folder}/ssh_config "$@"\n', encoding="utf-8")
    client.chmod(0o755)
    for name in ("host_key", "user_key", "other_key"):
        path = str(folder / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # as the service does at its start
    command = [found, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running_process(command, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "Server listening" not in line:
            pytest.fail(f"sshd did not start: {line}{process.communicate()[0]}")
        host = SshHost(folder, port)
        host.know("host_key")
        yield host
