"""Answers that shall conform to a JSON schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmbench.cells import AnswerSchema, Cell, Users
from llmbench.load.cell import run_cell
from llmbench.load.conforming import SchemaError, check_schema, checker
from llmbench.metrics import summarise, table
from llmbench.records import RequestRecord
from llmbench.results import CellSummary
from llmbench.store import RunDir
from tests.load.serving import PROMPTS, Scripted, answering, endpoint, response

PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
SCHEMA = AnswerSchema("person", json.dumps(PERSON))


def chat(text: str) -> bytes:
    """A whole chat of one answer."""
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return response(json.dumps({"choices": [choice], "usage": {"completion_tokens": 5}}).encode())


def measured(run: RunDir, *answers: bytes) -> tuple[list[RequestRecord], CellSummary]:
    cell = Cell("sim", 8, 8, Users(1, len(answers)), schema=SCHEMA)
    with Scripted(answering(*answers)) as server:
        where = endpoint(server.url, stream=False)
        known: dict[str, Any] = {"repeat": 1, "seed": 1, "prompts_sha256": "x"}
        done = run_cell(cell, where, PROMPTS, run=run, warmup_per_user=0, **known)
    assert done.endpoint.api == "openai-chat"  # where a schema can be sent
    return [*run.requests()], summarise(done, table(run.requests()))


def test_what_does_not_conform_is_a_failure_of_its_own(run: RunDir) -> None:
    answers = ('{"age": 3}', '{"age": "x"}', '{"age": 3', '{"age": 4}')
    records, summary = measured(run, *map(chat, answers))
    assert [record.error_kind for record in records] == [
        *(None, "invalid_output", "invalid_output", None)
    ]
    assert records[1].error == "the answer's $.age: 'x' is not of type 'integer'"
    assert "the answer is not JSON" in (records[2].error or "")
    assert (summary.conforming_share, summary.failed) == (0.5, 2)
    assert summary.output_length_hit_rate is None  # what conforms has an end of its own


def test_other_failures_stay_what_they_are(run: RunDir) -> None:
    error = response(b'{"error": {"message": "grammar"}}', status=b"400 Bad Request")
    records, summary = measured(run, error, chat('{"age": 3}'))
    assert records[0].error_kind == "http_4xx"
    assert summary.conforming_share == 1.0


def test_free_answers_are_not_checked() -> None:
    assert checker(None) is None
    assert checker(AnswerSchema("none")) is None


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(SchemaError, match="not a JSON schema: 'objekt' is not valid"):
        check_schema({"type": "objekt"})


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)
