"""The rooms and the arrows between them: DESIGN's table, held against every import."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "llmbench"
BASE = {
    "access",
    "cells",
    "descriptors",
    "records",
    "summaries",
    "config",
    "clock",
    "store",
    "settings",
}
CONDUCTORS = {"bench", "launcher", "shelf", "grid", "host", "progress", "replay", "runs"}
ROOMS = {"apis", "load", "prompts", "servers", "metrics", "verdict", "report"}
MAY_IMPORT = {
    "apis": BASE,
    "load": BASE | {"apis"},
    "prompts": BASE,
    "servers": BASE | {"apis"},
    "metrics": BASE,
    "verdict": BASE | {"metrics"},
    "report": BASE | {"metrics", "verdict"},
    "calibrate": BASE | ROOMS,
} | dict.fromkeys(CONDUCTORS, BASE | ROOMS | CONDUCTORS)
PYTEST_EDGE = {"plugin", "fixtures", "hookspecs"}
HEAVY = {"pandas", "seaborn", "matplotlib", "scipy", "transformers", "datasets", "docker"}

MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that `path` imports, anywhere in it, with dots."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    names = {name for name in imports(path) if name.startswith("llmbench.")}
    return {name.split(".")[1] for name in names} - {room_of(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    room = room_of(path)
    if room in BASE:
        assert rooms_imported(path) <= BASE
    elif room in MAY_IMPORT:
        assert rooms_imported(path) <= MAY_IMPORT[room]
    else:
        assert room in {"cli", "__init__"} or room.startswith(tuple(PYTEST_EDGE))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_edge_imports_pytest(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    if not room_of(path).startswith(tuple(PYTEST_EDGE)):
        assert not tops & {"pytest", "_pytest", "pytest_benchmark"}


def test_every_room_of_the_table_exists() -> None:
    assert {room_of(path) for path in MODULES} >= BASE | ROOMS | CONDUCTORS


def test_the_table_catches_a_forbidden_arrow(tmp_path: Path) -> None:
    stray = tmp_path / "stray.py"
    stray.write_text("def f():\n    from llmbench.report import charts\n", encoding="utf-8")
    assert "report" in {name.split(".")[1] for name in imports(stray) if "llmbench." in name}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
