"""The script that gives tests a Docker Engine, where it can't."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / ".ci" / "docker-engine"


def command(tmp_path: Path, name: str, script: str) -> None:
    """A command `name` that is found before the host's own."""
    (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (tmp_path / name).chmod(0o755)


def run(tmp_path: Path, *arguments: str, user: int = 1000) -> "subprocess.CompletedProcess[str]":
    """The script as a user who is not root, on a host where no engine answers."""
    command(tmp_path, "id", f"echo {user}")
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "LLMBENCH_ENGINE_DIR": str(tmp_path / "engine"),
    }
    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def test_without_an_engine_the_command_runs_all_the_same(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "sh", "-c", "echo tests; exit 5")
    assert (done.stdout, done.returncode) == ("tests\n", 5)
    assert done.stderr == (
        "docker-engine: no Docker Engine answers, and only root can start one\n"
        "docker-engine: going on without Docker or its images: container tests will be skipped\n"
    )


def test_start_says_why_it_can_t(tmp_path: Path) -> None:
    done = run(tmp_path, "start")
    assert (done.stdout, done.returncode) == ("", 3)
    assert "only root can start one" in done.stderr


def test_images_need_an_engine(tmp_path: Path) -> None:
    done = run(tmp_path, "images")
    assert done.returncode == 3
    assert "no Docker Engine answers; run" in done.stderr


def test_help_is_the_script_s_own_head(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("Provides a Docker Engine and the images of the container tests")


def engine_that_does_not_start(tmp_path: Path) -> None:
    """All that root needs to start an engine, which then ends at once."""
    command(tmp_path, "docker", "exit 1")
    command(tmp_path, "dockerd", "echo no iptables; exit 1")
    for name in ("iptables", "debootstrap", "apt-get"):
        command(tmp_path, name, "exit 0")


def test_stop_leaves_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "engine" / "precious"
    precious.parent.mkdir()
    precious.touch()
    done = run(tmp_path, "stop")
    assert (done.returncode, precious.exists()) == (0, True)
    assert done.stderr == f"docker-engine: nothing of ours is at {tmp_path / 'engine'}\n"


def test_start_does_not_use_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    engine_that_does_not_start(tmp_path)
    (tmp_path / "engine").mkdir()
    done = run(tmp_path, "start", user=0)
    assert done.returncode == 3
    assert f"{tmp_path / 'engine'} is there and not made by this script" in done.stderr
    assert list((tmp_path / "engine").iterdir()) == []


def test_what_run_started_it_ends_and_removes(tmp_path: Path) -> None:
    engine_that_does_not_start(tmp_path)
    done = run(tmp_path, "run", "sh", "-c", "echo tests", user=0)
    assert (done.stdout, done.returncode) == ("tests\n", 0)
    assert "dockerd does not answer; the end of its log:\nno iptables" in done.stderr
    assert done.stderr.endswith("docker-engine: stopped\n")
    assert not (tmp_path / "engine").exists()


def test_run_leaves_an_engine_that_answers_already(tmp_path: Path) -> None:
    command(tmp_path, "docker", f"cat {tmp_path}/hash 2>/dev/null; exit 0")
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "made-by-llmbench").touch()  # of a session beside this one
    (folder / "docker.sock").touch()
    hashed = "cat containers/llama.cpp/* | sha256sum | cut -c1-16"
    root = SCRIPT.parents[1]
    label = subprocess.run(["sh", "-c", hashed], cwd=root, capture_output=True, check=True).stdout
    (tmp_path / "hash").write_bytes(label)
    done = run(tmp_path, "run", "echo", "tests", user=0)
    assert (done.stdout, done.stderr, done.returncode) == (
        "tests\n",
        "docker-engine: using the engine that answers\n",
        0,
    )
    assert (folder / "docker.sock").exists()
