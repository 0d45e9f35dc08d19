"""The axis of JSON schemas: what is read, and what is refused before a launch."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.bench import grid
from llmbench.cells import Users
from llmbench.config import ConfigError, Grid
from tests.bench.test_grid import MODEL

SHAPES = (Users(1),)


def refusal(file: Path, api: str = MODEL.api) -> str:
    model = structs.replace(MODEL, api=api, grid=Grid(schema=(str(file),)))
    with pytest.raises(ConfigError) as caught:
        grid.cells(model, asked(str(file)), SHAPES)
    return str(caught.value)


def asked(*names: str) -> Grid:
    return grid.merge(Grid(schema=names))


def test_none_and_a_file_are_a_configuration_each_with_the_same_load(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_text('{"type": "object"}')
    free, constrained = grid.cells(MODEL, asked("none", str(file)), SHAPES)
    assert (free.id, constrained.id) == (
        "m-schema-none-in128-out64-users1",
        "m-schema-person-in128-out64-users1",
    )
    assert free.load_name == constrained.load_name  # so they get the same prompts
    assert free.server_key == constrained.server_key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"type": "objekt"}', "not a JSON schema: 'objekt' is not valid"),
        ("[1]", "is not a JSON object"),
        ("{", "is not a JSON object"),
    ],
)
def test_a_file_that_is_no_schema_is_named(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    assert f"--llm-schema: {file}" in refusal(file)
    assert words in refusal(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'no.json'} can't be read" in refusal(tmp_path / "no.json")


@pytest.mark.parametrize("api", ["anthropic-messages", "triton", "openai-embeddings"])
def test_an_api_without_schemas_is_refused(api: str, tmp_path: Path) -> None:
    words = f"api {api!r}: its servers take no schema for answers; give the api of one that does"
    assert words in refusal(tmp_path / "any.json", api)


def test_a_schema_for_a_whole_session_passes_by_an_api_without() -> None:
    (cell,) = grid.cells(structs.replace(MODEL, api="triton"), asked("none"), SHAPES)
    assert cell.schema is None


def test_traffic_has_no_schema() -> None:
    traffic = grid.traffic(("chat",), Path("fixtures/traffic"))
    (cell,) = grid.cells(MODEL, asked("none"), SHAPES, traffic=traffic)
    assert cell.schema is None
