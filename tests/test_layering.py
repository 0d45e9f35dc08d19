"""The rooms, the arrows between them and their doors, held against every import."""

import ast
from collections import Counter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "llmbench"
BASE = (
    "value_types",
    "traffic",
    "cells",
    "clock",
    "process",
    "packages",
    "prices",
    "records",
    "results",
    "config",
    "access",
    "gauges",
    "journal",
    "store",
)
"""The modules at the base, lowest first: each imports only those before it."""

MAY_IMPORT: dict[str, set[str]] = {
    "apis": set(),
    "simulator": set(),
    "prompts": set(),
    "metrics": set(),
    "load": {"apis"},
    "servers": {"apis", "simulator"},
    "verdict": {"metrics"},
    "report": {"metrics", "verdict"},
    "interchange": {"metrics", "verdict"},
    "audit": {"report", "verdict"},
    "twin": {"simulator", "verdict"},
    "bench": {"apis", "load", "metrics", "prompts", "servers", "verdict"},
    "calibrate": {"load", "servers"},
    "judge": {"interchange", "report", "servers", "simulator", "verdict"},
    "plugin": {"apis", "audit", "bench", "metrics", "report", "servers", "verdict"},
    "cli": {
        "audit",
        "bench",
        "calibrate",
        "interchange",
        "judge",
        "load",
        "prompts",
        "report",
        "servers",
        "simulator",
        "twin",
        "verdict",
    },
}
"""The rooms and what each imports besides the base: arrows point down only."""

HEAVY = {"pandas", "seaborn", "matplotlib", "scipy", "transformers", "datasets", "docker"}
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_ON_A_SHELF = 15


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def imports(path: Path) -> list[tuple[str, list[str]]]:
    """Every module that `path` imports from, anywhere in it, with the names it takes."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, [alias.name for alias in node.names]))
    return found


def rooms_imported(path: Path) -> set[str]:
    """The other rooms and base modules that `path` imports."""
    found = set()
    for module, names in imports(path):
        if module == "llmbench":
            found |= set(names)
        elif module.startswith("llmbench."):
            found.add(module.split(".")[1])
    return found - {room_of(path)}


def windows_entered(path: Path) -> list[str]:
    """The modules of other rooms that `path` imports past their doors."""
    return [
        module
        for module, _names in imports(path)
        if module.startswith("llmbench.")
        and module.split(".")[1] not in {room_of(path), *BASE}
        and module.count(".") > 1
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_arrows(path: Path) -> None:
    room = room_of(path)
    if room in BASE:
        assert rooms_imported(path) <= set(BASE[: BASE.index(room)])
    elif room != "__init__":
        assert rooms_imported(path) <= MAY_IMPORT[room] | set(BASE)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_is_entered_through_its_door(path: Path) -> None:
    assert windows_entered(path) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_edge_imports_pytest(path: Path) -> None:
    tops = {module.split(".")[0] for module, _names in imports(path)}
    if room_of(path) != "plugin":
        assert not tops & {"pytest", "_pytest", "pytest_benchmark"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_table_names_every_room_and_no_other() -> None:
    assert {room_of(path) for path in MODULES} == {*BASE, *MAY_IMPORT, "__init__"}


def test_every_arrow_of_the_table_is_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    for path in MODULES:
        if room_of(path) in MAY_IMPORT:
            used[room_of(path)] |= rooms_imported(path) - set(BASE)
    assert used == MAY_IMPORT


def test_arrows_make_no_circle() -> None:
    lower: set[str] = set()
    while len(lower) < len(MAY_IMPORT):
        free = {room for room, below in MAY_IMPORT.items() if below <= lower}
        assert free > lower, f"a circle among {set(MAY_IMPORT) - lower}"
        lower = free


def test_every_name_stands_once() -> None:
    """A module or a class is named after what it holds, so that no two have the same name."""
    modules = Counter(path.stem for path in MODULES if not path.stem.startswith("__"))
    classes = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    twice = [name for names in (modules, classes) for name, count in names.items() if count > 1]
    assert twice == []


def test_no_shelf_is_crowded() -> None:
    shelves = Counter(path.parent for path in MODULES)
    crowded = {name_of(shelf): n for shelf, n in shelves.items() if n > MOST_ON_A_SHELF}
    assert crowded == {}


def test_the_rules_catch_what_they_forbid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.SOURCE", tmp_path)
    stray = tmp_path / "load" / "stray.py"
    stray.parent.mkdir()
    stray.write_text("def f():\n    from llmbench.report.charts import theme\n", encoding="utf-8")
    assert rooms_imported(stray) == {"report"}
    assert windows_entered(stray) == ["llmbench.report.charts"]
