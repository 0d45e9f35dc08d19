"""The script that gives tests a Docker Engine, where it can't."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / ".ci" / "docker-engine"


def run(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The script as a user who is not root, on a host where no engine answers."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    (tmp_path / "id").chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "LLMBENCH_ENGINE_DIR": str(tmp_path / "engine"),
    }
    command = [str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


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
