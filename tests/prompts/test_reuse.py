from pathlib import Path

import pytest
from msgspec.structs import replace

from llmbench.prompts.corpus.sources import Source, parse_source
from llmbench.prompts.prompt_files import Manifest, PromptFile, file_sha256
from llmbench.prompts.reuse import usable
from llmbench.prompts.sorting import Wanted

WANTED = Wanted((8,), per_length=1)


@pytest.fixture
def entry(tmp_path: Path) -> PromptFile:
    """A file that was built from a hub data set's branch."""
    (tmp_path / "Dataset_8.csv").write_text("content")
    return PromptFile(
        file="Dataset_8.csv",
        tokens=8,
        tolerance=10,
        prompts=1,
        trimmed=0,
        wanted=1,
        tokens_min=8,
        tokens_max=8,
        sha256=file_sha256(tmp_path / "Dataset_8.csv"),
        source=Source("hub", "owner/data", "main"),
        commit="abc",
        source_stamp=None,
        seed=0,
        trim=False,
        complete=True,
    )


def why(folder: Path, entry: PromptFile, source: str | None, wanted: Wanted = WANTED) -> str:
    """Why the file is not used; empty when it is."""
    said: list[str] = []
    manifest = Manifest("name", "0" * 64, {"8": entry})
    asked = None if source is None else parse_source(source)
    used = usable(folder, manifest, 8, wanted, asked, said.append)
    assert used is not bool(said)
    return said[0].partition("built again: ")[2] if said else ""


@pytest.mark.parametrize("source", [None, "owner/data", "owner/data@main", "owner/data@abc"])
def test_a_hub_source_is_the_same_by_any_of_its_names(
    tmp_path: Path, entry: PromptFile, source: str | None
) -> None:
    assert why(tmp_path, entry, source) == ""


@pytest.mark.parametrize(
    "source", ["owner/other", "owner/data@other", "owner/data:test", "synthetic"]
)
def test_another_source_is_not(tmp_path: Path, entry: PromptFile, source: str) -> None:
    assert why(tmp_path, entry, source) == (f"it comes from owner/data@abc, {source} is asked for")


def test_whole_prompts_serve_a_run_that_would_trim(tmp_path: Path, entry: PromptFile) -> None:
    assert why(tmp_path, entry, None, replace(WANTED, trim=True)) == ""


def test_a_narrower_window_serves_a_wider_one(tmp_path: Path, entry: PromptFile) -> None:
    assert why(tmp_path, replace(entry, tolerance=2), None) == ""


def test_a_length_that_is_not_there_is_to_be_built_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    assert not usable(tmp_path, Manifest("name", "0"), 8, WANTED, None, said.append)
    assert not usable(tmp_path, None, 8, WANTED, None, said.append)
    assert said == []
