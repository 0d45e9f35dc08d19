"""The docs name what there is: hooks, options, rooms, columns; and their links lead somewhere."""

import inspect
import re
from argparse import _SubParsersAction
from pathlib import Path

import pytest

import llmbench
from llmbench import cli, plugin
from llmbench.gauges import GaugeSample
from llmbench.plugin import hookspecs
from llmbench.plugin.kinds import KINDS
from llmbench.plugin.option_table import OPTIONS
from llmbench.records import RequestRecord, ResourceSample
from llmbench.report.read import GPU_COLUMNS
from llmbench.report.tables.cell_rows import columns
from llmbench.report.tables.run_files import COLUMNS
from llmbench.results import Distribution
from llmbench.store import RunInfo
from llmbench.verdict import SCHEMAS, schema

ROOT = Path(__file__).parents[1]
HOOKS_PAGE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
PUBLIC_NAMES: list[str] = vars(llmbench)["__all__"]
RUN_FILES_PAGE = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
OPTIONS_PAGE = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
HOOKS = [name for name in vars(hookspecs) if name.startswith("pytest_llmbench_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_arguments(name: str) -> None:
    arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
    assert f"### `{name}({arguments})`" in HOOKS_PAGE


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_default_implementation(name: str) -> None:
    assert hasattr(plugin, name)


def test_every_fixture_is_documented() -> None:
    assert set(re.findall(r"^\| `(llm_\w+)` \|", HOOKS_PAGE, re.M)) == {
        name for name in plugin.__all__ if name.startswith("llm_")
    }


def test_every_kind_of_benchmark_is_documented() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \| [a-z]+ ", HOOKS_PAGE, re.M))[: len(KINDS)]
    for kind in KINDS:
        assert f"| `{kind}` |" in HOOKS_PAGE


def test_every_option_has_the_row_that_its_help_gives() -> None:
    rows = [f"| `{f'{o.flag} {o.metavar}'.strip()}` | {o.help} |" for o in OPTIONS]
    table = OPTIONS_PAGE.replace(r"\|", "|").splitlines()
    assert [row for row in table if row in rows] == rows


def test_every_command_is_documented() -> None:
    (commands,) = (a for a in cli.parser()._actions if isinstance(a, _SubParsersAction))
    assert re.findall(r"^\| `llmbench ([a-z-]+)` \|", OPTIONS_PAGE, re.M) == list(commands.choices)


PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "reports" / "README.md")
)


def links(page: Path) -> list[tuple[Path, str]]:
    """Where the page leads to inside the repository: file and heading."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    inside = (target.partition("#") for target in targets if "://" not in target)
    return [((page.parent / path).resolve() if path else page, at) for path, _, at in inside]


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert [path for path, _ in links(page) if not path.is_file()] == []
    assert [at for path, at in links(page) if at and at not in anchors(path)] == []


def test_every_page_is_reachable_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    assert index in {path for path, _ in links(ROOT / "README.md")}
    reached, ahead = set(), [index]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [path for path, _ in links(page) if path.suffix == ".md"]
    assert sorted(reached) == PAGES


def first_column(page: Path, heading: str) -> set[str]:
    """Names in the first column of the table under a heading."""
    text = page.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", text, re.M)
    return {name for cell in cells for name in re.findall(r"`([\w.]+)/?`", cell)}


def test_every_room_and_module_at_the_base_is_explained() -> None:
    package = ROOT / "src" / "llmbench"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert first_column(ROOT / "docs" / "how-it-works.md", "The rooms") == rooms | modules
    contributing = first_column(ROOT / "CONTRIBUTING.md", "Where things are")
    assert contributing - {"calibrate.py"} == rooms


def test_the_modules_that_contributors_are_sent_to_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`", text)
    places = (ROOT, ROOT / "src" / "llmbench", ROOT / "src" / "llmbench" / "servers" / "local")
    assert len(named) > 10
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


def documented(heading: str) -> list[str]:
    """Names in the first column of a heading's tables in reports/README.md, in their order."""
    text = RUN_FILES_PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", text, re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_column_of_the_requests_is_named_in_its_order() -> None:
    assert documented("Columns of `requests/<cell>.csv`") == list(COLUMNS)


def test_every_column_of_the_cells_is_named_in_its_order() -> None:
    parts = Distribution.__struct_fields__
    named = documented("Columns of `cells.csv`")
    assert set(named[-len(parts) :]) == set(parts)
    expanded: list[str] = []
    for name in named[: -len(parts)]:
        stem = name.removesuffix("…")
        expanded += [name] if stem == name else [stem + part for part in parts]
    assert sorted(expanded) == sorted(columns())


def test_every_column_of_the_resources_is_named() -> None:
    names = documented("Columns of `resources.csv`")
    plain = [name for name in ResourceSample.__struct_fields__ if name != "gpus"]
    of_gpu = [f"gpu0_{name}" for name in GPU_COLUMNS]
    assert sorted(names) == sorted(["time", *plain, *of_gpu])


def test_every_column_of_the_server_metrics_is_named() -> None:
    names = documented("Columns of `server_metrics.parquet`")
    assert sorted(names) == sorted(GaugeSample.__struct_fields__)


def test_every_column_of_the_parquet_file_is_named() -> None:
    names = documented("Columns of `requests.parquet`")
    assert sorted(names) == sorted(RequestRecord.__struct_fields__)


def test_every_key_of_run_json_is_named() -> None:
    assert sorted(documented("Keys of `run.json`")) == sorted(RunInfo.__struct_fields__)


def test_every_public_name_can_be_imported() -> None:
    for name in PUBLIC_NAMES:
        assert getattr(llmbench, name) is not None


def test_every_public_name_is_documented_and_no_other() -> None:
    _, _, section = HOOKS_PAGE.partition("## Names\n")
    rows = re.findall(r"^\| (`.+`) \|", section.partition("\n## ")[0], re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(PUBLIC_NAMES)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No llmbench attribute Bnech"):
        _ = llmbench.Bnech  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_that_is_shipped_is_that_of_the_types(name: str) -> None:
    file = ROOT / "src" / "llmbench" / "schemas" / f"{name}.v1.json"
    remedy = f"llmbench schema {name} > {file.relative_to(ROOT)}"
    assert file.read_bytes() == schema(name), f"a type of it has changed: {remedy}"
