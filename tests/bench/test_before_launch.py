"""What is refused before a server is launched for it."""

import pytest
from msgspec import structs

from llmbench.bench.runs import check_sendable
from llmbench.cells import Cell, Users
from llmbench.config import CommandServer, ConfigError, ModelConfig
from llmbench.records import ClientSettings
from llmbench.traffic import Bodies, HangUps, Lengths, ReplayedBody, Script, Scripts

CHATS = Bodies((ReplayedBody(b'{"messages": []}', 8),))
COMPLETIONS = Bodies((ReplayedBody(b'{"prompt": "a"}', 8),), chat=False)
TALKS = Scripts((Script(("Hello",), (1,)),))


def model(api: str, *command: str) -> ModelConfig:
    return ModelConfig("m", "M", "m", api, "t", CommandServer(command=("serve", *command)))


def cell(cache: object = None) -> Cell:
    return Cell("m", 8, 8, Users(1), prefix_cache=cache)  # type: ignore[arg-type]


@pytest.mark.parametrize("api", ["openai-responses", "anthropic-messages"])
@pytest.mark.parametrize(("bodies", "what"), [(CHATS, "chats"), (COMPLETIONS, "completions")])
def test_bodies_that_do_not_fit_a_dialect_are_refused(api: str, bodies: Bodies, what: str) -> None:
    with pytest.raises(ConfigError, match=f"api '{api}': it carries no {what} in OpenAI"):
        check_sendable(cell(), model(api), bodies)


@pytest.mark.parametrize("api", ["openai-responses", "anthropic-messages", "llama.cpp"])
def test_conversations_fit_every_dialect_of_chats(api: str) -> None:
    check_sendable(cell("off"), model(api), TALKS)


def test_a_cache_that_nothing_turns_off_is_refused() -> None:
    with pytest.raises(ConfigError, match="m-cacheoff-in8-out8-users1: nothing in a request of"):
        check_sendable(cell("off"), model("tgi"), None)
    check_sendable(cell("on"), model("tgi"), None)
    check_sendable(cell("off"), model("tgi", "--no-enable-prefix-caching"), None)


def test_without_a_stream_nobody_can_hang_up_after_a_token() -> None:
    traffic = Lengths("mine", 8, 8, hang_ups=HangUps(0.5, after_tokens=2))
    whole = structs.replace(model("openai-completions"), client=ClientSettings(stream=False))
    with pytest.raises(ConfigError) as caught:
        check_sendable(structs.replace(cell(), traffic=traffic), whole, None)
    assert str(caught.value).endswith(
        "without a stream nobody knows when a token has come; hang up with after_ms, or leave"
        " client.stream on"
    )
    later = structs.replace(traffic, hang_ups=HangUps(0.5, after_ms=100))
    check_sendable(structs.replace(cell(), traffic=later), whole, None)
