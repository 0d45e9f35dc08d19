"""The docs name what there is: hooks, fixtures, options, public names."""

import inspect
import re
from pathlib import Path

import pytest

import llmbench
from llmbench import plugin
from llmbench.plugin import hookspecs
from llmbench.plugin.kinds import KINDS
from llmbench.plugin.options import OPTIONS

ROOT = Path(__file__).parents[1]
HOOKS_PAGE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
PUBLIC_NAMES: list[str] = vars(llmbench)["__all__"]
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


def test_every_option_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [o.flag for o in OPTIONS if f"`{o.flag}" not in readme] == []


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
