"""Each time-out is a failure of its own kind."""

import asyncio

import pytest

from llmbench.cells import Users
from tests.load.serving import ANSWER, Load, Script, Scripted, endpoint, event, read_request


@pytest.mark.parametrize(
    ("limits", "kind", "message"),
    [
        ({"first_token_timeout_s": 0.2}, "first_token_timeout", "no token within 0.2 s"),
        ({"request_timeout_s": 0.2}, "timeout", "not over within 0.2 s"),
    ],
)
def test_waiting_in_vain_for_the_first_token(
    limits: dict[str, float], kind: str, message: str, load: Load
) -> None:
    role = b'data: {"choices":[{"text":""}]}\n\n: ping\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"
    with Scripted(_then_silence(head + role)) as server:
        (record,) = load(endpoint(server.url, **limits))
    assert (record.error_kind, record.error) == (kind, message)
    assert record.first_token_ns is None


def test_comments_do_not_hide_a_stall(load: Load) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + event("a"))
        for _ in range(100):
            await asyncio.sleep(0.05)
            writer.write(b": still here\n\n")
            await writer.drain()

    with Scripted(script) as server:
        (record,) = load(endpoint(server.url, between_tokens_timeout_s=0.2))
    assert record.error_kind == "stalled"
    assert record.error == "no token for 0.2 s in the middle of the answer"
    assert len(record.event_ns) == 1


def test_a_user_goes_on_after_a_timeout(load: Load) -> None:
    answers = iter([None, ANSWER])

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        answer = next(answers)
        if answer is None:
            await reader.read()
            return
        writer.write(answer)
        await writer.drain()

    with Scripted(script) as server:
        first, second = load(endpoint(server.url, first_token_timeout_s=0.2), Users(1, 2))
    assert (first.error_kind, second.error_kind) == ("first_token_timeout", None)


def _then_silence(raw: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)
        await writer.drain()
        await reader.read()

    return script
