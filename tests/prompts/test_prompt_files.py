import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmbench.config import ConfigError
from llmbench.prompts import prompt_files as files
from llmbench.prompts.corpus.clean import cleaner
from llmbench.prompts.corpus.sources import Source
from llmbench.prompts.prompt_files import Manifest, PromptFile
from llmbench.records import Prompt

TEXTS = st.one_of(
    st.text(), st.sampled_from(["NA", "null", "nan", "", '"', "a\r\nb", "😀", "=1+1"])
)


@given(st.lists(st.builds(Prompt, TEXTS.map(cleaner(())), st.integers(0, 10**6)), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_gives_back_every_prompt(tmp_path: Path, prompts: list[Prompt]) -> None:
    path = tmp_path / "Dataset_1.csv"
    path.write_bytes(files.encode(prompts))
    assert files.read(path) == tuple(prompts)


@pytest.mark.parametrize("text", ["NA", "null", 'say "hi"', "two\nlines", "a\r\nb", "a,b", "😀 ü"])
def test_pandas_reads_the_same_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Dataset_1.csv"
    path.write_bytes(files.encode([Prompt(text, 3)]))
    table = pd.read_csv(path, keep_default_na=False)
    assert table.to_dict("records") == [{"Input_Prompt": text, "No of Tokens": 3}]


def test_name_and_columns_are_the_deck_s() -> None:
    assert files.file_name(128) == "Dataset_128.csv"
    assert files.encode([Prompt('a "b"', 3)]) == b'"Input_Prompt","No of Tokens"\n"a ""b""",3\n'


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", '"Input_Prompt","No of Tokens"\n"a"\n'])
def test_another_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "Dataset_1.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"Dataset_1\.csv: not a file of prompts"):
        files.read(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        files.read(tmp_path / "Dataset_1.csv")


def test_a_prompt_longer_than_csv_s_own_limit(tmp_path: Path) -> None:
    csv.field_size_limit(1000)
    path = tmp_path / "Dataset_1.csv"
    path.write_bytes(files.encode([Prompt("x" * 200_000, 3)]))
    assert len(files.read(path)[0].text) == 200_000


ENTRY = PromptFile(
    file="Dataset_8.csv",
    tokens=8,
    tolerance=10,
    prompts=1,
    trimmed=0,
    wanted=1,
    tokens_min=8,
    tokens_max=8,
    sha256="0" * 64,
    source=Source("hub", "owner/data", "abc"),
    commit="def",
    source_stamp=None,
    seed=0,
    trim=False,
    complete=True,
)


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    manifest = Manifest("name", "1" * 64, {"8": ENTRY})
    files.write_manifest(tmp_path, manifest)
    assert files.read_manifest(tmp_path) == manifest


def test_a_hub_source_is_pinned_to_the_commit_that_was_read() -> None:
    assert str(ENTRY.pinned) == "owner/data@def"


def test_no_manifest_is_none(tmp_path: Path) -> None:
    assert files.read_manifest(tmp_path) is None


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"tokenizer": ')
    with pytest.raises(ConfigError, match=r"manifest\.json: damaged.*delete the folder"):
        files.read_manifest(tmp_path)


def test_a_manifest_of_another_version_is_an_error(tmp_path: Path) -> None:
    files.write_manifest(tmp_path, Manifest("name", "1" * 64, schema=99))
    with pytest.raises(ConfigError, match="of another version"):
        files.read_manifest(tmp_path)
