import pytest

from llmbench.prompts.corpus.clean import cleaner
from llmbench.prompts.corpus.passages import Passage, passage

clean = cleaner(["</s>"])


def turns(*said: tuple[str, str]) -> dict[str, object]:
    return {"conversations": [{"from": who, "value": value} for who, value in said]}


def prompts(found: Passage | None) -> list[str]:
    return [found.text[:cut] for cut in found.cuts] if found else []


def test_a_prompt_is_a_passage_with_one_end() -> None:
    assert passage({"prompt": "USER: hi ASSISTANT:", "label": "ho"}, clean) == Passage(
        "USER: hi ASSISTANT:", (19,)
    )


@pytest.mark.parametrize("value", [None, "", "  \n", "</s>", 7, float("nan")])
def test_a_record_without_text_has_no_prompt(value: object) -> None:
    assert passage({"prompt": value}, clean) is None


def test_the_prompt_that_reads_na_is_a_prompt() -> None:
    assert prompts(passage({"prompt": "NA"}, clean)) == ["NA"]


def test_a_conversation_may_be_cut_after_every_human_turn() -> None:
    record = turns(("human", "one"), ("gpt", "two"), ("human", "three"), ("gpt", "four"))
    assert prompts(passage(record, clean)) == [
        "USER: one ASSISTANT:",
        "USER: one ASSISTANT: two USER: three ASSISTANT:",
    ]


def test_the_last_answer_is_kept_but_is_no_part_of_a_prompt() -> None:
    found = passage(turns(("human", "one"), ("gpt", "two")), clean)
    assert found == Passage("USER: one ASSISTANT: two", (20,))


def test_an_answer_without_its_question_is_left_out() -> None:
    record = turns(("gpt", "the end of it"), ("human", "one"))
    assert prompts(passage(record, clean)) == ["USER: one ASSISTANT:"]


def test_a_system_turn_opens_the_text() -> None:
    record = turns(("system", "Be brief."), ("human", "one"))
    assert prompts(passage(record, clean)) == ["Be brief. USER: one ASSISTANT:"]


def test_empty_turns_are_left_out_and_specials_in_turns_cleaned() -> None:
    record = turns(("human", "one</s>"), ("gpt", " "), ("user", "</s>"), ("human", "two"))
    assert prompts(passage(record, clean)) == [
        "USER: one ASSISTANT:",
        "USER: one ASSISTANT: USER: two ASSISTANT:",
    ]


@pytest.mark.parametrize(
    "conversations", [None, [], "text", [None], [{"from": "gpt", "value": "x"}], [{"value": 3}]]
)
def test_a_conversation_without_a_question_has_no_prompt(conversations: object) -> None:
    assert passage({"conversations": conversations}, clean) is None


def test_a_record_of_another_shape_is_an_error() -> None:
    with pytest.raises(KeyError, match="prompt"):
        passage({"text": "x"}, clean)


@pytest.mark.parametrize("key", ["conversations", "messages", "conversation", "prompt"])
@pytest.mark.parametrize("parts", [False, True])
def test_a_conversation_of_roles_and_contents(key: str, parts: bool) -> None:
    def said(text: str) -> object:
        return [{"type": "text", "text": text}] if parts else text

    record = {
        key: [
            {"role": "system", "content": said("Be brief.")},
            {"role": "user", "content": said("one")},
            {"role": "assistant", "content": said("two")},
        ]
    }
    assert prompts(passage(record, clean)) == ["Be brief. USER: one ASSISTANT:"]


@pytest.mark.parametrize(
    "prompt",
    [["a", " b"], [{"type": "text", "text": "a b"}, {"type": "image_url", "image_url": {}}]],
)
def test_a_prompt_of_parts(prompt: object) -> None:
    assert prompts(passage({"prompt": prompt}, clean)) == ["a b"]
