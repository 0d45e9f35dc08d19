import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from llmbench.config import ConfigError
from llmbench.prompts.corpus.sources import Source, parse_source
from llmbench.prompts.library import Library
from llmbench.prompts.prompt_files import Manifest, file_sha256, write_manifest
from llmbench.prompts.stock import build, ensure, folder_name

SYNTHETIC = Source("synthetic", "synthetic")


@pytest.fixture
def prompts_file(tmp_path: Path) -> Path:
    """A prompt of every length from 1 to 300 words."""
    path = tmp_path / "prompts.jsonl"
    rows = ({"prompt": " ".join([f"{n}."] * n)} for n in range(1, 301))
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def make(
    tmp_path: Path, words_folder: Path, prompts_file: Path, said: list[str]
) -> Callable[..., Library]:
    """`ensure` with these files; what it says goes to `said`."""

    def make(lengths: Sequence[int], **changes: Any) -> Library:
        given: dict[str, Any] = {"source": parse_source(str(prompts_file)), "per_length": 3}
        given |= {"seed": 0, "say": said.append}
        return ensure(tmp_path / "stock", str(words_folder), lengths, **given | changes)

    return make


def test_what_is_missing_is_built(make: Callable[..., Library]) -> None:
    library = make([50, 20], tolerance=2)
    assert library.lengths == (20, 50)
    for length in library.lengths:
        assert len(library.take(length)) == 3
        assert all(abs(len(p.text.split()) - length) <= 2 for p in library.take(length))
        assert library.sha256(length) == file_sha256(library.folder / f"Dataset_{length}.csv")


def test_what_is_there_is_reused(make: Callable[..., Library], said: list[str]) -> None:
    first = make([20])
    stamp = (first.folder / "Dataset_20.csv").stat().st_mtime_ns
    said.clear()
    again = make([20])
    assert (again.folder / "Dataset_20.csv").stat().st_mtime_ns == stamp
    assert again.take(20) == first.take(20)
    assert said == []


def test_a_new_length_joins_those_that_are_there(make: Callable[..., Library]) -> None:
    first = make([20])
    both = make([20, 50])
    assert both.lengths == (20, 50)
    assert both.sha256(20) == first.sha256(20)


def test_a_library_has_the_lengths_that_were_asked_for(make: Callable[..., Library]) -> None:
    make([20, 50])
    assert make([20]).lengths == (20,)


def test_an_unknown_length_is_an_error_that_lists_what_there_is(
    make: Callable[..., Library],
) -> None:
    library = make([20, 50])
    with pytest.raises(ConfigError, match=r"no prompts of 99 tokens \(there are: 20, 50\)"):
        library.take(99)
    with pytest.raises(ConfigError, match="no prompts of 7 tokens"):
        library.sha256(7)


@pytest.mark.parametrize("length", [0, -5])
def test_a_length_below_one_is_an_error(make: Callable[..., Library], length: int) -> None:
    with pytest.raises(ConfigError, match=f"prompts of {length} tokens can't be made"):
        make([20, length])


@pytest.mark.parametrize(
    ("lengths", "changes"), [([20], {"per_length": 0}), ([20], {"tolerance": -1}), ([], {})]
)
def test_what_can_t_be_wanted_is_an_error(
    make: Callable[..., Library], lengths: list[int], changes: dict[str, int]
) -> None:
    with pytest.raises(ConfigError, match="at least 1 prompt, 0 tokens and 1 length"):
        make(lengths, **changes)


def test_the_same_seed_makes_the_same_files(tmp_path: Path, make: Callable[..., Library]) -> None:
    first = make([20]).sha256(20)
    (tmp_path / "stock").rename(tmp_path / "old")
    assert make([20]).sha256(20) == first


def test_another_seed_builds_again(make: Callable[..., Library], said: list[str]) -> None:
    first = make([20]).sha256(20)
    said.clear()
    assert make([20], seed=7).sha256(20) != first
    assert said[0].endswith("Dataset_20.csv: built again: its seed is 0, 7 is asked for")


def test_more_prompts_build_again(make: Callable[..., Library], said: list[str]) -> None:
    make([20])
    assert len(make([20], per_length=9).take(20)) == 9
    assert any("it was built for 3 prompts, 9 are asked for" in line for line in said)


def test_fewer_prompts_do_not(make: Callable[..., Library]) -> None:
    make([20])
    assert len(make([20], per_length=2).take(20)) == 3


def test_a_narrower_tolerance_builds_again(make: Callable[..., Library], said: list[str]) -> None:
    make([20], tolerance=10)
    make([20], tolerance=2)
    assert any("within ±10 tokens, not ±2" in line for line in said)


def test_another_source_builds_again(make: Callable[..., Library], said: list[str]) -> None:
    make([20])
    assert make([20], source=SYNTHETIC).describe()["kind"] == "synthetic"
    assert any("prompts.jsonl, synthetic is asked for" in line for line in said)


def test_without_a_source_any_will_do(make: Callable[..., Library]) -> None:
    first = make([20])
    assert make([20], source=None).sha256(20) == first.sha256(20)


def test_without_a_source_new_lengths_come_from_the_old_one(
    make: Callable[..., Library], prompts_file: Path
) -> None:
    make([20])
    assert make([50], source=None).describe()["source"] == str(prompts_file)


def test_a_source_file_that_changed_builds_again(
    make: Callable[..., Library], prompts_file: Path, said: list[str]
) -> None:
    make([20])
    prompts_file.write_text(prompts_file.read_text() + '\n{"prompt": "one more"}')
    make([20])
    assert any(line.endswith("built again: its source has changed") for line in said)


def test_a_file_that_was_changed_by_hand_is_an_error(make: Callable[..., Library]) -> None:
    path = make([20]).folder / "Dataset_20.csv"
    path.write_text(path.read_text() + '"mine",1\n')
    with pytest.raises(ConfigError, match=r"Dataset_20\.csv: changed since it was built.*delete"):
        make([20])


def test_a_file_that_was_deleted_is_built_again(make: Callable[..., Library]) -> None:
    first = make([20])
    (first.folder / "Dataset_20.csv").unlink()
    assert make([20]).sha256(20) == first.sha256(20)


def test_a_build_that_was_cut_off_is_made_anew(
    make: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    make([20, 50])
    with monkeypatch.context() as patch:
        patch.setattr("llmbench.prompts.prompt_files.write_manifest", _fail_second())
        with pytest.raises(OSError, match="no space"):
            make([20, 50], seed=7)
    assert make([20, 50], seed=7).take(20)


def _fail_second() -> Callable[[Path, Manifest], None]:
    """Writes one manifest and fails at the next, when the prompt files are new already."""
    written: list[Path] = []

    def write(folder: Path, manifest: Manifest) -> None:
        if written:
            raise OSError("no space")
        written.append(folder)
        write_manifest(folder, manifest)

    return write


def test_each_tokenizer_has_its_own_folder(
    make: Callable[..., Library], words_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    definition = (words_folder / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(definition.replace("USER:", "HUMAN:"))
    names = {folder_name(str(folder)) for folder in (words_folder, other)}
    assert len(names) == 2
    assert make([20]).folder.name in names


@pytest.mark.parametrize(
    ("tokenizer", "start"), [("owner/model", "owner--model-"), ("gpt2@abc", "gpt2-abc-")]
)
def test_a_folder_is_named_after_its_tokenizer(tokenizer: str, start: str) -> None:
    assert folder_name(tokenizer).startswith(start)


def test_short_buckets_are_trimmed_full(make: Callable[..., Library], said: list[str]) -> None:
    library = make([100], tolerance=0, per_length=150)
    assert [prompt.tokens for prompt in library.take(100)] == [100] * 150
    assert library.describe()["lengths"]["100"]["trimmed"] == 149
    assert said[-1].endswith("150 real prompts of 100±0 tokens, 149 of them trimmed to length")


def test_a_length_with_too_few_prompts_says_so_and_is_used(
    make: Callable[..., Library], said: list[str]
) -> None:
    library = make([310], per_length=500)
    assert len(library.take(310)) == 1
    assert said[-1] == (
        "prompts of 310 tokens: 1 of the 500 wanted; when a cell needs more it uses them again"
    )


def test_a_length_without_any_prompt_is_an_error(make: Callable[..., Library]) -> None:
    with pytest.raises(ConfigError, match=r"has no prompt of 900 tokens, and none long enough"):
        make([20, 900])


def test_synthetic_prompts_are_exact_and_said_to_be_synthetic(
    make: Callable[..., Library], said: list[str]
) -> None:
    library = make([20, 77], source=SYNTHETIC)
    assert [prompt.tokens for prompt in library.take(77)] == [77] * 3
    assert library.describe()["kind"] == library.describe()["lengths"]["77"]["kind"] == "synthetic"
    assert said[-1].endswith("Dataset_77.csv: 3 synthetic prompts of 77±10 tokens")


def test_one_synthetic_length_makes_the_library_synthetic(
    make: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmbench.prompts.reuse.packaged", lambda: None)
    make([20])
    make([50], source=SYNTHETIC)
    both = make([20, 50], source=None).describe()
    assert both["kind"] == "synthetic"
    assert {length: both["lengths"][length]["kind"] for length in both["lengths"]} == {
        "20": "real",
        "50": "synthetic",
    }


def test_synthetic_prompts_give_way_to_real_ones_once_installed(
    make: Callable[..., Library], monkeypatch: pytest.MonkeyPatch, prompts_file: Path
) -> None:
    real = parse_source(str(prompts_file))
    make([20], source=SYNTHETIC)
    monkeypatch.setattr("llmbench.prompts.reuse.packaged", lambda: real)
    monkeypatch.setattr("llmbench.prompts.stock.at_hand", lambda: real)
    assert make([20], source=None).describe()["kind"] == "real"


def test_describe_tells_what_a_run_needs(
    make: Callable[..., Library], words_folder: Path, prompts_file: Path
) -> None:
    library = make([20])
    described = library.describe()
    assert described["kind"] == "real"
    assert described["source"] == str(prompts_file)
    assert described["tokenizer"] == str(words_folder)
    assert described["seed"] == "0"
    assert described["lengths"]["20"]["sha256"] == library.sha256(20)
    assert json.loads(json.dumps(described)) == described


def test_a_folder_that_can_t_be_written_is_an_error(
    tmp_path: Path, make: Callable[..., Library]
) -> None:
    (tmp_path / "stock").write_text("a file")
    with pytest.raises(ConfigError, match=r"prompts can't be written there: Not a directory"):
        make([20])


def test_build_makes_every_file_anew_and_leaves_short_ones_short(
    tmp_path: Path, words_folder: Path, prompts_file: Path, said: list[str]
) -> None:
    source = parse_source(str(prompts_file))
    library = build(
        tmp_path / "out",
        str(words_folder),
        source=source,
        lengths=(32, 290),
        per_length=30,
        say=said.append,
    )
    assert sorted(prompt.tokens for prompt in library.take(32)) == list(range(22, 43))
    assert len(library.take(290)) == 21
    assert f"{prompts_file}: 300 prompts counted, 0 duplicates left out" in said
    assert said[-2].endswith(
        "Dataset_32.csv: 21 real prompts of 32±10 tokens; only 21 of the 30 asked for"
        " (trimming longer prompts would fill it)"
    )


def test_build_with_trim_fills_them(
    tmp_path: Path, words_folder: Path, prompts_file: Path, said: list[str]
) -> None:
    library = build(
        tmp_path,
        str(words_folder),
        source=parse_source(str(prompts_file)),
        lengths=(32,),
        per_length=30,
        trim=True,
        say=said.append,
    )
    assert len(library.take(32)) == 30


def test_build_with_a_limit_reads_no_further(
    tmp_path: Path, words_folder: Path, prompts_file: Path, said: list[str]
) -> None:
    source = parse_source(str(prompts_file))
    library = build(
        tmp_path, str(words_folder), source=source, lengths=(32,), limit=30, say=said.append
    )
    assert max(prompt.tokens for prompt in library.take(32)) == 30
    assert library.manifest.files["32"].complete is False


def test_a_limit_below_one_is_an_error(tmp_path: Path, words_folder: Path, said: list[str]) -> None:
    with pytest.raises(ConfigError, match="a limit of 0 records leaves nothing to read"):
        build(tmp_path, str(words_folder), limit=0, say=said.append)


def test_a_run_uses_what_was_built(
    tmp_path: Path, words_folder: Path, prompts_file: Path, make: Callable[..., Library]
) -> None:
    source = parse_source(str(prompts_file))
    built = build(
        tmp_path / "stock",
        str(words_folder),
        source=source,
        lengths=(32,),
        per_length=5,
        seed=0,
        say=lambda line: None,
    )
    assert make([32], source=None).sha256(32) == built.sha256(32)


def test_the_manifest_tells_how_to_make_the_files_again(
    make: Callable[..., Library], prompts_file: Path
) -> None:
    library = make([20], tolerance=2)
    manifest = json.loads((library.folder / "manifest.json").read_text())
    entry = manifest["files"]["20"]
    assert entry["source"] == {
        "kind": "file",
        "name": str(prompts_file),
        "revision": None,
        "split": "train",
    }
    assert (entry["seed"], entry["tolerance"], entry["prompts"]) == (0, 2, 3)
    assert manifest["tokenizer_sha256"] == library.manifest.tokenizer_sha256
    assert 18 <= entry["tokens_min"] <= entry["tokens_max"] <= 22
