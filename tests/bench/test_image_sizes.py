"""The axis of images: how it is written, what cells come of it, and what is refused."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.bench import grid
from llmbench.cells import Cell, Users
from llmbench.config import ConfigError, Grid, load_model
from llmbench.value_types import Images
from tests.bench.test_grid import MODEL

SHAPES = (Users(4),)


def cells(*images: str, api: str = "openai-completions", own: bool = True) -> tuple[Cell, ...]:
    """The cells of a model whose own file has the `images`, or of a whole session."""
    model = structs.replace(MODEL, api=api, grid=Grid(images=images if own else None))
    return grid.cells(model, grid.merge(Grid(images=images)), SHAPES)


def refusal(*images: str, api: str = "openai-completions") -> str:
    with pytest.raises(ConfigError) as caught:
        cells(*images, api=api)
    return str(caught.value)


def test_each_size_is_a_configuration_with_the_same_load() -> None:
    free, one, two = cells("none", "1@512x512", "2@1024x768")
    assert [cell.id for cell in (free, one, two)] == [
        "m-in128-out64-users4",
        "m-images1-512x512-in128-out64-users4",
        "m-images2-1024x768-in128-out64-users4",
    ]
    assert two.images == Images(2, 1024, 768)
    assert two.lengths_text == "in 128 + 2 images of 1024x768 · out 64"
    assert len({cell.load_name for cell in (free, one, two)}) == 1  # so they get the same prompts
    assert len({cell.server_key for cell in (free, one, two)}) == 1


@pytest.mark.parametrize(
    "wrong", ["512x512", "2@512", "0@512x512", "2@0x512", "1@-5x3", "2x512@512", "1@1.5x2", "some"]
)
def test_what_is_no_number_and_size_is_refused(wrong: str) -> None:
    assert refusal("none", wrong) == (
        f"m: images none,{wrong}: {wrong!r} is not a number of images and their size in pixels; "
        "write it like 2@512x512, or none"
    )


def test_more_pixels_than_servers_take_are_refused() -> None:
    assert refusal("8@4096x4096") == (
        "m: images 8@4096x4096: 8 images of 4096x4096 are 134 million pixels in one request, more "
        "than servers take; give 100 million at most"
    )


@pytest.mark.parametrize("api", ["triton", "openai-embeddings", "rerank"])
def test_an_api_without_images_is_refused(api: str) -> None:
    assert refusal("1@64x64", api=api) == (
        f"m: images 1@64x64: api {api!r}: its servers take no images; give the api of one that "
        "does (openai-chat, openai-chat-plain, trtllm-chat, openai-responses, anthropic-messages)"
    )


def test_images_for_a_whole_session_pass_by_an_api_without() -> None:
    (cell,) = cells("1@64x64", api="triton", own=False)
    assert cell.images is None


def test_traffic_has_no_images_but_its_own() -> None:
    traffic = grid.traffic(("chat",), Path("fixtures/traffic"))
    model = structs.replace(MODEL, grid=Grid(images=("1@64x64",)))
    (cell,) = grid.cells(model, grid.merge(model.grid), SHAPES, traffic=traffic)
    assert cell.images is None


def test_the_speed_at_depth_is_that_of_text() -> None:
    model = structs.replace(MODEL, grid=Grid(images=("1@64x64",)))
    (cell,) = grid.cells(model, grid.merge(model.grid), (Users(1, depth=True),))
    assert cell.images is None


def test_a_models_own_file_may_say_it(tmp_path: Path) -> None:
    file = tmp_path / "eyes.toml"
    file.write_text(
        'title = "Eyes"\nmodel = "eyes"\napi = "openai-chat"\ntokenizer = "none"\n'
        '[server]\nkind = "simulated"\nimage_tokens = 64\n[grid]\nimages = ["none", "2@28x28"]\n'
    )
    model = load_model(file)
    assert [cell.images for cell in grid.cells(model, grid.merge(model.grid), SHAPES)] == [
        None,
        Images(2, 28, 28),
    ]
