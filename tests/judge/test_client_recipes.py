"""Recipes: what is in the package, and every mistake in one of somebody's own."""

import sys
from pathlib import Path

import msgspec
import pytest

from llmbench.config import ConfigError
from llmbench.interchange.tools import TOOLS
from llmbench.judge import client_recipes as module
from llmbench.judge.client_recipes import FOLDER, Recipe, filled, own_recipe, recipe_called

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_is_whole(name: str) -> None:
    recipe = recipe_called(f"{name}={sys.executable}")
    assert recipe.docs.startswith("https://") and recipe.install
    assert recipe.tool in {"pytest-llmbench", *(tool.name for tool in TOOLS)}
    assert recipe.program == sys.executable


def test_the_recipes_are_those_that_the_page_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "judge.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []


def test_placeholders_are_filled_in_words_files_and_variables() -> None:
    values = dict.fromkeys(module.PLACEHOLDERS, "") | {"url": "http://h:1", "result": "/r"}
    recipe = Recipe(
        tool="t",
        program="/bin/p",
        command=("{program}", "--to={url}"),
        files={"c.yml": "out: {result}"},
        environment={"URL": "{url}"},
    )
    made = filled(recipe, values)
    assert made.command == ("/bin/p", "--to=http://h:1")
    assert (made.files, made.environment) == ({"c.yml": "out: /r"}, {"URL": "http://h:1"})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["sh", "{url}"],
            "the command has no {result}: put it where the client takes the file or folder for "
            "the client to write",
        ),
        (
            ["sh", "{result}"],
            "the command has no {url}: put it where the client takes the server, http://HOST:PORT",
        ),
        (
            ["sh", "{url}", "{results}"],
            "the command: word 3: unknown placeholder {results}; did you mean 'result'? (valid: "
            "program, url, model, tokenizer, users, requests, requests_per_user, seconds, "
            "input_tokens, output_tokens, cores, folder, result)",
        ),
        (
            ["no-such-client", "{url}", "{result}"],
            "the command needs no-such-client, which is not on the PATH",
        ),
    ],
)
def test_a_command_with_a_mistake_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own_recipe(words)
    assert str(caught.value) == message


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_called("guidelm")
    assert str(caught.value) == (
        "--client: no recipe 'guidelm'; did you mean 'guidellm'? (valid: aiperf, guidellm, "
        "inference-perf, k6, llmbench, locust, servebench, vllm-bench); or give a TOML file with "
        "one"
    )


def test_a_tool_that_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError) as caught:
        recipe_called("guidellm")
    assert str(caught.value) == (
        "recipe guidellm needs guidellm, which is not on the PATH: pip install guidellm; or name "
        "it: --client guidellm=PATH"
    )


def test_a_file_of_ones_own_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('tool = "Mine"\nprogram = "sh"\ncommand = ["{program}", "{url}", "{result}"]\n')
    recipe = recipe_called(str(file))
    assert (recipe.name, recipe.tool) == ("mine", "Mine")
    assert Path(recipe.program).is_absolute()


def test_an_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('tool = "Mine"\nprogram = "sh"\ncommand = []\ncomand = 1\n')
    with pytest.raises(ConfigError, match=r"mine\.toml: Object contains unknown field `comand`"):
        recipe_called(str(file))


def test_a_recipe_keeps_what_the_package_can_read() -> None:
    for name in NAMES:
        msgspec.toml.decode((FOLDER / f"{name}.toml").read_bytes(), type=Recipe, strict=True)
