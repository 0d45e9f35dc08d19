"""Settings from four places, and the cells they amount to."""

import pytest
from msgspec import structs

from llmbench.bench import grid
from llmbench.cells import Arrivals, Limits, Ramp, Users
from llmbench.config import ConfigError, DockerServer, Grid, ModelConfig, SimulatedServer

MODEL = ModelConfig(
    name="m",
    title="M",
    model="m",
    api="openai-completions",
    tokenizer="t",
    server=SimulatedServer(),
)


def parsed(key: str, text: str) -> Grid:
    return grid.grid_of({key: (f"--llm-{key}", grid.parse_setting(key, text, f"--llm-{key}"))})


def test_the_first_that_says_a_key_wins() -> None:
    merged = grid.merge(Grid(users=(8,)), Grid(users=(1,), requests=3), Grid(requests=9))
    assert merged.users == (8,)
    assert merged.requests == 3


def test_what_nobody_says_is_the_default() -> None:
    assert grid.merge(Grid()) == grid.DEFAULTS


def test_pairs_stand_for_both_lengths() -> None:
    merged = grid.merge(Grid(), Grid(pairs=((1500, 100), (50, 500))))
    assert grid.lengths(merged) == ((1500, 100), (50, 500))


def test_a_length_on_the_command_line_beats_pairs() -> None:
    merged = grid.merge(Grid(input_tokens=(32,)), Grid(pairs=((1500, 100),)))
    assert grid.lengths(merged) == ((32, 64),)


def test_cells_are_the_product_in_running_order() -> None:
    merged = grid.merge(Grid(input_tokens=(32, 128), output_tokens=(16,), users=(1, 2)))
    cells = grid.cells(MODEL, merged, grid.closed_loop(merged))
    assert [cell.id for cell in cells] == [
        "m-in32-out16-users1",
        "m-in32-out16-users2",
        "m-in128-out16-users1",
        "m-in128-out16-users2",
    ]


def test_limits_are_part_of_the_id() -> None:
    server = DockerServer(image="i", command=(), port=80, memory="1g")
    model = ModelConfig(name="m", title="M", model="m", api="tgi", tokenizer="t", server=server)
    merged = grid.merge(Grid(cores=(0.5, 2), users=(1,)))
    sweep = grid.limits(model, merged)
    assert sweep == (Limits(0.5, 2**30), Limits(2, 2**30))
    cells = grid.cells(model, merged, grid.closed_loop(merged), sweep)
    assert cells[0].id == "m-cores0.5-mem1g-in128-out64-users1"
    sweep = grid.limits(model, grid.merge(Grid(instances=(1, 2), cores=(4,))))
    assert sweep == (Limits(4, 2**30, 1), Limits(4, 2**30, 2))
    assert sweep[1].suffix == "-instances2-cores4-mem1g"


def test_a_duration_replaces_the_count() -> None:
    merged = grid.merge(Grid(duration_s=30, users=(4,)))
    assert grid.closed_loop(merged) == (Users(4, None, 30),)


def test_open_loop_has_a_cell_for_each_rate() -> None:
    merged = grid.merge(Grid(rates=(0.5, 2)))
    assert grid.open_loop(merged) == (
        Arrivals(0.5, duration_s=grid.RATE_CELL_S),
        Arrivals(2, duration_s=grid.RATE_CELL_S),
    )


@pytest.mark.parametrize(
    ("text", "arrivals"),
    [
        ("poisson", Arrivals(2, "poisson", 1.0, duration_s=grid.RATE_CELL_S)),
        ("constant", Arrivals(2, "constant", 1.0, duration_s=grid.RATE_CELL_S)),
        ("gamma:0.25", Arrivals(2, "gamma", 0.25, duration_s=grid.RATE_CELL_S)),
    ],
)
def test_arrivals_have_the_distribution_that_is_named(text: str, arrivals: Arrivals) -> None:
    merged = grid.merge(parsed("arrivals", text), Grid(rates=(2,)))
    assert grid.open_loop(merged) == (arrivals,)
    assert arrivals.suffix == f"rate2{'' if text == 'poisson' else '-' + text.replace(':', '')}"


def test_a_ramp_doubles_unless_steps_are_given() -> None:
    assert grid.ramp(grid.merge(Grid())) == (Ramp((1, 2, 4, 8, 16, 32, 64, 128), 10.0),)
    given = grid.merge(Grid(users=(1, 3, 9)))
    assert grid.ramp(given) == (Ramp((1, 3, 9), 10.0),)


def test_lists_are_read_with_commas() -> None:
    assert parsed("users", "1, 4,16").users == (1, 4, 16)
    assert parsed("memory", "512m,2g").memory == ("512m", "2g")


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("users", "1,x", "--llm-users: '1,x' is not numbers with commas between"),
        ("users", "-3", "--llm-users: '-3' can't be: expected `int` >= 1"),
        ("users", ",", "--llm-users: '' can't be: expected `array` of length >= 1"),
        ("requests", "many", "--llm-requests: 'many' is not a number"),
        ("requests", "0", "--llm-requests: '0' can't be: expected `int` >= 1"),
        ("duration_s", "-1", "--llm-duration_s: '-1.0' can't be: expected `float` > 0"),
        ("memory", "much", "--llm-memory: 'much' is not a size; write it like 512m or 2g"),
        ("arrivals", "gama", "--llm-arrivals: 'gama' can't be: expected `str` matching regex"),
        ("repeats", "5..3", "--llm-repeats: '5..3' is not a number of repeats; write 5, or 3..12"),
    ],
)
def test_a_bad_value_says_which_option_and_what_it_takes(key: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(key, text)
    assert str(caught.value).startswith(message.replace("'0'", "0").replace("'-1.0'", "-1.0"))


@pytest.mark.parametrize(("text", "least", "most"), [("1", 1, 1), ("5", 5, 5), ("3..12", 3, 12)])
def test_repeats_are_a_number_or_a_range(text: str, least: int, most: int) -> None:
    assert grid.repeats_of(Grid(repeats=text)) == (least, most)


class TestInputs:
    """The APIs whose answers hold a result for each input."""

    EMBEDDINGS = structs.replace(MODEL, api="openai-embeddings", grid=Grid())

    def test_each_number_of_inputs_is_a_cell_without_output(self) -> None:
        merged = grid.merge(Grid(input_tokens=(32,), inputs=(1, 8), users=(4,)))
        ids = [c.id for c in grid.cells(self.EMBEDDINGS, merged, grid.closed_loop(merged))]
        assert ids == [f"{MODEL.name}-in32-users4", f"{MODEL.name}-in32x8-users4"]

    def test_pairs_of_others_on_the_command_line_count_by_their_inputs(self) -> None:
        merged = grid.merge(Grid(pairs=((32, 8), (32, 64), (128, 8)), users=(1,)))
        cells = grid.cells(self.EMBEDDINGS, merged, grid.closed_loop(merged))
        assert [(c.input_tokens, c.output_tokens) for c in cells] == [(32, 0), (128, 0)]

    def test_several_inputs_of_a_completion_are_refused(self) -> None:
        model = structs.replace(MODEL, grid=Grid(inputs=(1, 8)))
        merged = grid.merge(model.grid, Grid(users=(1,)))
        words = f"inputs 1,8: a request of {MODEL.api} has one prompt; several inputs are for"
        with pytest.raises(ConfigError, match=words):
            grid.cells(model, merged, grid.closed_loop(merged))

    def test_inputs_for_a_whole_session_pass_by_models_of_completions(self) -> None:
        merged = grid.merge(Grid(inputs=(1, 8), users=(1,)))
        (cell,) = grid.cells(MODEL, merged, grid.closed_loop(merged))
        assert cell.inputs == 1

    def test_output_lengths_in_the_file_of_an_embedding_model_are_refused(self) -> None:
        model = structs.replace(self.EMBEDDINGS, grid=Grid(output_tokens=(8,)))
        merged = grid.merge(model.grid, Grid(users=(1,)))
        words = "key 'grid.output_tokens': answers of openai-embeddings hold no tokens; give"
        with pytest.raises(ConfigError, match=words):
            grid.cells(model, merged, grid.closed_loop(merged))
