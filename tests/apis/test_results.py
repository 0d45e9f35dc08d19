"""Embeddings and scores: what is asked, and which answers are none."""

import json
from base64 import b64encode
from struct import pack
from typing import Any

import pytest

from llmbench.apis import Ask, PoolingDialect, dialect, generates

ASK = Ask("a b c", 0, "m", more_inputs=("d", "e"))


def speaks(name: str) -> PoolingDialect:
    found = dialect(name)
    assert isinstance(found, PoolingDialect)
    return found


def vectors(*embeddings: Any) -> bytes:
    data = [{"index": place, "embedding": each} for place, each in enumerate(embeddings)]
    return json.dumps({"data": data, "usage": {"prompt_tokens": 7}}).encode()


def scores(*pairs: tuple[int, Any], **more: Any) -> bytes:
    results = [{"index": place, "relevance_score": score} for place, score in pairs]
    return json.dumps({"results": results} | more).encode()


def test_all_inputs_are_in_one_request() -> None:
    assert speaks("openai-embeddings").body(ASK)["input"] == ["a b c", "d", "e"]
    body = speaks("rerank").body(ASK)
    assert (body["documents"], body["top_n"], body["query"]) == (["a b c", "d", "e"], 3, "a b c")


def test_the_query_is_the_beginning_of_the_first_document() -> None:
    words = [str(number) for number in range(40)]
    body = speaks("rerank").body(Ask(" ".join(words), 0, "m"))
    assert body["query"] == " ".join(words[:16])


@pytest.mark.parametrize("name", ["openai-embeddings", "rerank"])
def test_they_hold_no_tokens(name: str) -> None:
    assert not generates(name)
    assert generates("openai-chat")


def test_a_good_answer_has_a_result_for_each_input_and_the_servers_count() -> None:
    body = vectors([0.5, 0.0], [0.1, 0.2])
    embeddings = speaks("openai-embeddings")
    assert embeddings.flaw(body, 2) is None
    assert (embeddings.whole(body).text, embeddings.whole(body).input_tokens) == (True, 7)
    ranked = scores((1, 0.9), (0, -3.5), usage={"total_tokens": 9})
    assert speaks("rerank").flaw(ranked, 2) is None
    assert speaks("rerank").whole(ranked).input_tokens == 9


def test_vectors_may_come_in_base64() -> None:
    embeddings = speaks("openai-embeddings")
    whole = b64encode(pack("<2f", 0.5, 1.5)).decode()
    assert embeddings.flaw(vectors(whole), 1) is None
    assert embeddings.flaw(vectors(b64encode(pack("<f", float("inf"))).decode()), 1) == (
        "a vector holds what is not a finite number"
    )
    assert "can't be read" in (embeddings.flaw(vectors("AAA="), 1) or "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (vectors([1.0]), "1 vectors for 2 inputs"),
        (vectors([1.0], []), "a vector is empty"),
        (vectors([1.0], [1.0, 2.0]), "the vectors have different lengths: 1 and 2 numbers"),
        (vectors([1.0], [None]), "a vector holds what is not a finite number"),
        (vectors([1.0, 0.0], [0.0, 0.0]), "a vector is all zeros"),
        (vectors([1.0], {"a": 1}), "the vectors can't be read: Expected"),
        (b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}', "indexes"),
    ],
)
def test_what_is_no_vector_for_each_of_two_inputs(body: bytes, words: str) -> None:
    assert words in (speaks("openai-embeddings").flaw(body, 2) or "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (scores((0, 1.0)), "1 scores for 2 inputs"),
        (scores((0, 1.0), (2, 1.0)), "the scores are not for each input once: indexes [0, 2]"),
        (scores((0, 1.0), (1, None)), "a score is not a finite number"),
        (scores((0, 1.0), (1, "high")), "the scores can't be read: Expected"),
    ],
)
def test_what_is_no_score_for_each_of_two_documents(body: bytes, words: str) -> None:
    assert words in (speaks("rerank").flaw(body, 2) or "")


@pytest.mark.parametrize("name", ["openai-embeddings", "rerank"])
def test_an_error_with_status_200_is_one(name: str) -> None:
    assert speaks(name).whole(b'{"error": {"message": "no such model"}}').error == "no such model"
    assert speaks(name).whole(b'{"object": "error", "message": "too long"}').error == "too long"
