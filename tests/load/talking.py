"""A chat server that remembers nothing, but checks that each request holds what it answered."""

import asyncio
import json

from tests.load.serving import read_request, response


class Talking:
    """Answers the n-th request of all with ``answer n``, and keeps the messages of each request.

    The whole prompt counts a token for each word; it takes no time. `wrong` has the histories
    that hold an answer which was never given.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.answers: set[str] = set()
        self.wrong: list[list[dict[str, str]]] = []

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            writer.write(response(self._answer(body)))
            await writer.drain()

    def _answer(self, body: dict[str, object]) -> bytes:
        self.bodies.append(body)
        messages: list[dict[str, str]] = body["messages"]  # type: ignore[assignment]
        said = {m["content"] for m in messages if m["role"] == "assistant"}
        if not said <= self.answers:
            self.wrong.append(messages)
        answer = f"answer {len(self.bodies)}"
        self.answers.add(answer)
        words = sum(len(message["content"].split()) for message in messages)
        usage = {"prompt_tokens": words, "completion_tokens": 2}
        events = [
            {"choices": [{"delta": {"content": word}}]} for word in (answer[:4], answer[4:])
        ] + [{"choices": [{"delta": {}, "finish_reason": "length"}], "usage": usage}]
        data = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
        return b"".join([*data, b"data: [DONE]\n\n"])
