"""A prompt as the simulated model sees it: its tokens, and the messages that it was made of.

Each message begins a token of its own, which also holds its role, and the template adds no tokens:
so the prompt of a turn is the beginning of the next turn's.
"""

import re
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.simulator.texts.seen_images import SeenImage, images_in

BYTES_PER_TOKEN = 4
"""The simulator counts a token for every 4 UTF-8 bytes of a text, rounded up."""

Token = bytes | int
"""A piece of a text, or the id of a token where the request has ids."""

_PROMPTS = ("messages", "prompt", "inputs", "text", "input_ids", "text_input", "input")
_SALTS = ("cache_salt", "extra_key")
_IMAGE_PART = re.compile(rb'"(?:image_url|input_image|image)"')


class Message(Struct, frozen=True):
    """A message of a conversation: the text of its content, and the images after it."""

    role: str
    text: str
    images: tuple[SeenImage, ...] = ()


class Rendered(Struct, frozen=True):
    """The prompt of a request: a text, ids, or messages; and what it wants of the cache."""

    prompt: str | list[int] | list[Message]
    salt: str = ""
    may_be_cached: bool = True

    @property
    def messages(self) -> list[Message]:
        """The messages of a conversation; none of any other prompt."""
        said = [one for one in self.prompt if isinstance(one, Message)]
        return said

    @property
    def turn(self) -> int:
        """The turn that is asked for, from 1; 0 outside a conversation."""
        if not self.messages:
            return 0
        return 1 + sum(message.role == "assistant" for message in self.messages)

    def tokens(self, answer: str = "") -> list[Token]:
        """The tokens of the prompt, and of the `answer` after it where it has a text."""
        if isinstance(self.prompt, str):
            return [*_pieces(self.prompt + answer)]
        if not self.messages:
            return [one for one in self.prompt if isinstance(one, int)]
        spoken = [Message("assistant", answer)] if answer else []
        return list(chain.from_iterable(map(_of_message, [*self.messages, *spoken])))


def read_prompt(body: bytes, image_tokens: int | None = None) -> Rendered:
    """The prompt of a request in any dialect, which has one; `image_tokens` are those of each."""
    page = msgspec.json.decode(body)
    prompt = next(page[name] for name in _PROMPTS if name in page)
    if prompt == page.get("input") and isinstance(prompt, str):  # of a response
        prompt = [{"role": "user", "content": prompt}]
    salt = next((str(page[name]) for name in _SALTS if page.get(name)), "")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        first = page.get("system") or page.get("instructions")
        before = [Message("system", text_in(first))] if first else []
        prompt = before + [_message(one, image_tokens) for one in prompt]
    return Rendered(prompt, salt, page.get("cache_prompt", True))


def _message(one: dict[str, Any], image_tokens: int | None) -> Message:
    content = one.get("content")
    return Message(one.get("role", ""), text_in(content), tuple(images_in(content, image_tokens)))


def shown_in(body: bytes, image_tokens: int | None = None) -> list[SeenImage]:
    """All images of a request, whose tokens `count_tokens` leaves out."""
    if _IMAGE_PART.search(body) is None:  # nearly always, so that nothing is read twice
        return []
    said = read_prompt(body, image_tokens).messages
    return [image for message in said for image in message.images]


def count_tokens(prompt: Any) -> int:
    """The number of tokens of a text, of a list of token ids, or of chat messages."""
    if isinstance(prompt, str):
        return max(1, -(-len(prompt.encode()) // BYTES_PER_TOKEN))
    if prompt and isinstance(prompt[0], dict):
        return sum(count_tokens(text_in(message["content"])) for message in prompt)
    return len(prompt)


def text_in(content: Any) -> str:
    """The text of a message's content, which may come in parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or ())


def _pieces(text: str) -> list[bytes]:
    data = text.encode()
    return [data[at : at + BYTES_PER_TOKEN] for at in range(0, max(1, len(data)), BYTES_PER_TOKEN)]


def _of_message(message: Message) -> list[bytes]:
    first, *others = _pieces(message.text)
    shown = [
        f"{image.checksum}\0{place}".encode()
        for image in message.images
        for place in range(image.tokens)
    ]
    return [f"{message.role}\0".encode() + first, *others, *shown]
