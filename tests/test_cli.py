"""The ``llmbench`` command: what each part prints, and its exit status."""

import json
import urllib.request
from pathlib import Path

import pytest

from llmbench.cli import main
from tests.processes import running_python

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "fixtures" / "models"


def test_a_mistake_ends_with_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told == f"llmbench: {tmp_path}: not a run directory: it has no run.json\n"


def test_an_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reprot"])
    assert ended.value.code == 2
    assert "prompts" in capsys.readouterr().err


def test_a_configuration_shows_its_docker_run_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docker-run", str(MODELS / "llama-2-70b-tgi.toml")]) == 0
    line = capsys.readouterr().out
    assert line.startswith("docker run ")
    assert "--num-shard 4 --max-batch-prefill-tokens 14000" in line


def test_a_configuration_that_is_no_container_has_no_such_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["docker-run", str(MODELS / "llama-2-70b-sim.toml")]) == 2
    assert "docker" in capsys.readouterr().err


def test_prompts_are_built_from_a_local_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "conversations.jsonl"
    rows = [{"prompt": f"USER: {'word ' * n}{n} ASSISTANT:", "label": "yes"} for n in range(3, 30)]
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(characters_tokenizer(), encoding="utf-8")
    out = tmp_path / "out"
    arguments = ["--source", str(source), "--tokenizer", str(tokenizer), "--out", str(out)]
    assert main(["prompts", *arguments, "--lengths", "40", "--per-length", "3"]) == 0
    (file,) = out.glob("*/Dataset_40.csv")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 3
    assert "40" in capsys.readouterr().out


def characters_tokenizer() -> str:
    """A tokenizer.json of single characters."""
    from tokenizers import Tokenizer, models

    vocabulary = {chr(code): code - 32 for code in range(32, 127)}
    return Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=" ")).to_str()


def test_the_simulator_says_where_it_is_and_what_is_true() -> None:
    with running_python("-m", "llmbench.cli", "simulate", "--ttft-ms", "5") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:
            assert json.load(answer)["requests"] == 0
