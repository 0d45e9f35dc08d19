"""Model TOML files: what they become, and what each mistake in one says."""

from pathlib import Path

import pytest

from llmbench.config import (
    ConfigError,
    DockerServer,
    ProcessServer,
    SimulatedServer,
    limits_of,
    load_model,
    load_models,
    parse_bytes,
    parse_repeats,
)

MINIMAL = """
title = "A model"
model = "m"
api = "openai-completions"
tokenizer = "some/tokenizer"

[server]
kind = "process"
engine = "llama.cpp"
weights = "weights.gguf"
"""


def write(folder: Path, text: str, name: str = "my-model.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(write(folder, text))
    return str(caught.value)


def test_a_minimal_file_takes_its_name_from_the_stem(tmp_path: Path) -> None:
    model = load_model(write(tmp_path, MINIMAL))
    assert model.name == "my-model"
    assert model.server == ProcessServer(engine="llama.cpp", weights="weights.gguf")
    assert not model.simulated


def test_the_kind_chooses_the_server(tmp_path: Path) -> None:
    text = MINIMAL.partition("[server]")[0] + '[server]\nkind = "simulated"\nttft_ms = 7\n'
    model = load_model(write(tmp_path, text))
    assert model.server == SimulatedServer(ttft_ms=7)
    assert model.simulated


def test_an_unknown_key_names_the_nearest_valid_one(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL + "[grid]\nuser = [1]\n")
    assert f"{tmp_path / 'my-model.toml'}: unknown key 'grid.user'; did you mean 'users'?" in text


def test_an_unknown_key_at_the_top_level_lists_the_valid_ones(tmp_path: Path) -> None:
    text = error_of(tmp_path, 'colour = "red"\n' + MINIMAL)
    assert "unknown key 'colour' (valid: title, model, api" in text


def test_an_unknown_key_of_a_server_lists_that_kinds_keys(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL + "gpu = 4\n")
    assert "unknown key 'server.gpu'" in text
    assert "weights" in text


def test_a_wrong_type_says_what_is_expected(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL + '[grid]\nusers = "four"\n')
    assert "key 'grid.users': expected `array | null`, got `str`" in text


def test_negative_users_are_refused(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL + "[grid]\nusers = [1, -4]\n")
    assert "key 'grid.users[1]': expected `int` >= 1" in text


def test_an_empty_grid_is_refused(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL + "[grid]\ninput_tokens = []\n")
    assert "key 'grid.input_tokens': expected `array` of length >= 1" in text


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL.replace('model = "m"\n', ""))
    assert "key 'model' is missing" in text


def test_an_unknown_kind_of_server_is_named(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL.replace('"process"', '"dokcer"'))
    assert text == (
        f"{tmp_path / 'my-model.toml'}: key 'server.kind': unknown 'dokcer'; "
        "did you mean 'docker'? (valid: process, docker, command, remote, simulated)"
    )


def test_a_missing_kind_lists_the_kinds(tmp_path: Path) -> None:
    text = error_of(tmp_path, MINIMAL.replace('kind = "process"\n', ""))
    assert "key 'server.kind' is missing (valid: process, docker, command, " in text


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[slo]\npreset = "mlperf-lama2-70b"', "'slo.preset': unknown 'mlperf-lama2-70b'; did you"),
        ("[slo]\nttft_ms = { p42 = 1 }", "unknown key 'slo.ttft_ms.p42' (valid: p50, p90, p95,"),
        ("[slo]\nttft_ms = { p95 = 0 }", "key 'slo.ttft_ms[...]': expected `float` > 0"),
        ('[grid]\nmemory = ["lots"]', "key 'grid.memory[0]': 'lots' is not a size; write it like"),
        (
            '[grid]\nrepeats = "few"',
            "key 'grid.repeats': 'few' is not a number of repeats; write 5",
        ),
        ("[grid]\nrepeats = true", "key 'grid.repeats': expected `int | str | null`, got `bool`"),
        (
            '[price]\nmachine = "aws-g5xlarge"',
            "key 'price.machine': no machine 'aws-g5xlarge' in prices.toml; did you mean"
            " 'aws-g5.xlarge' or 'aws-g5.4xlarge' or 'aws-g5.2xlarge'?",
        ),
        (
            '[price]\nmachine = "aws-g5.xlarge"\nagainst = "openai-gpt4o"',
            "key 'price.against': no API 'openai-gpt4o' in prices.toml; did you mean",
        ),
        (
            '[price]\nregion = "r"\nsource = "s"\ndate = "yesterday"',
            "key 'price.date': 'yesterday' is not a date; write it like 2026-11-25",
        ),
    ],
)
def test_a_value_that_can_t_be_used_names_file_key_and_remedy(
    tmp_path: Path, table: str, message: str
) -> None:
    text = error_of(tmp_path, f"{MINIMAL}{table}\n")
    assert text.startswith(f"{tmp_path / 'my-model.toml'}: ")
    assert message in text


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("port = 99999", "key 'server.port': expected `int` <= 65535"),
        ('port = 80\nmemory = "lots"', "key 'server.memory': 'lots' is not a size; write it like"),
        ('port = 80\nshm = "1 bag"', "key 'server.shm': '1 bag' is not a size; write it like 512m"),
    ],
)
def test_a_container_s_values_are_checked_when_they_are_read(
    tmp_path: Path, key: str, message: str
) -> None:
    text = MINIMAL.partition("[server]")[0] + "[server]\n"
    text += f'kind = "docker"\nimage = "i"\ncommand = []\n{key}\n'
    assert message in error_of(tmp_path, text)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("", "give base_ms, or batch_times_ms in its place"),
        (
            "base_ms = 5\nbatch_times_ms = [[1, 5], [2, 6]]",
            "give base_ms, or batch_times_ms in its",
        ),
        ("batch_times_ms = [[1, 5]]", "batch_times_ms: give two pairs or more, both numbers of"),
        ("batch_times_ms = [[2, 5], [1, 6]]", "batch_times_ms: give two pairs or more, both"),
        ("batch_times_ms = [[1, 6], [2, 5]]", "batch_times_ms: give two pairs or more, both"),
        ("batch_times_ms = [[1, 0], [2, 5]]", "expected `float` > 0"),
    ],
)
def test_steps_take_times_of_a_line_or_of_numbers_of_sequences(
    tmp_path: Path, keys: str, message: str
) -> None:
    server = '[server]\nkind = "simulated"\n[server.steps]\n'
    text = error_of(tmp_path, f"{MINIMAL.partition('[server]')[0]}{server}{keys}\n")
    assert "server.steps" in text
    assert message in text


@pytest.mark.parametrize(("written", "most"), [("4", 4), ('"4"', 4), ('"2..9"', 9)])
def test_repeats_are_a_number_or_a_text(tmp_path: Path, written: str, most: int) -> None:
    model = load_model(write(tmp_path, f"{MINIMAL}[grid]\nrepeats = {written}\n"))
    assert model.grid.repeats is not None
    assert parse_repeats(model.grid.repeats, "here")[1] == most


def test_broken_toml_says_where(tmp_path: Path) -> None:
    text = error_of(tmp_path, "title = \n")
    assert "not valid TOML" in text
    assert "line 1" in text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: can't be read: No such file"):
        load_model(tmp_path / "absent.toml")


def test_a_folder_loads_in_order_of_names(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, "b.toml")
    write(tmp_path, MINIMAL, "a.toml")
    assert [model.name for model in load_models(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "count"),
    [("512m", 512 * 2**20), ("1.5g", 3 * 2**29), ("2GiB", 2 * 2**30), ("64 KB", 2**16), ("7", 7)],
)
def test_sizes_are_binary(text: str, count: int) -> None:
    assert parse_bytes(text, "here") == count


@pytest.mark.parametrize("text", ["", "g", "-1g", "0m", "12x"])
def test_a_bad_size_says_where_and_how_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"grid\.memory: .* is not a size; write it like 512m"):
        parse_bytes(text, "grid.memory")


def test_limits_come_from_a_container_only() -> None:
    server = DockerServer(image="i", command=(), port=80, cores=2, memory="1g")
    assert limits_of(server).cores == 2
    assert limits_of(server).memory_bytes == 2**30
    assert limits_of(SimulatedServer()).cores is None
