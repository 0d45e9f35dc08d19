"""The images that the simulated server sees, and the tokens that it makes of them."""

from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from msgspec.json import encode
from PIL import Image

from llmbench.simulator.texts.rendered import read_prompt, shown_in
from llmbench.simulator.texts.seen_images import BadImage, images_in
from tests.simulator.test_conversations import serve  # noqa: F401 (a fixture)

Serve = Callable[..., httpx.Client]


def file(width: int, height: int, kind: str = "PNG") -> bytes:
    written = BytesIO()
    Image.new("RGB", (width, height), "navy").save(written, kind)
    return written.getvalue()


def part(data: bytes, kind: str = "png") -> dict[str, Any]:
    url = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def ask(*parts: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "x" * 8}, *parts]  # two tokens
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 2}


def test_an_image_is_a_token_for_each_patch_of_28_pixels() -> None:
    sizes = [(28, 28), (29, 28), (512, 512), (1, 1)]
    images = images_in([part(file(*size)) for size in sizes])
    assert [(p.width, p.height) for p in images] == sizes
    assert [p.tokens for p in images] == [1, 2, 19 * 19, 1]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_formats_that_apis_take_are_read(kind: str) -> None:
    (image,) = images_in([part(file(40, 30, kind), kind.lower())])
    assert image.size == "40x30"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (part(b"no image"), "image 1 can't be read: cannot identify image file"),
        (part(file(9, 9)[:-20]), "image 1 can't be read"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,&&&"}}, "can't be read"),
        ({"type": "image_url", "image_url": {"url": "http://x/a.png"}}, "only data URLs"),
        ({"type": "image_url"}, "a part of type 'image_url' holds no data"),
    ],
)
def test_what_is_no_image_is_said(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(BadImage, match=words):
        images_in([wrong])


def test_a_damaged_pixel_is_noticed() -> None:
    data = bytearray(file(64, 64))
    data[60] ^= 1
    with pytest.raises(BadImage, match="image 1 can't be read"):
        images_in([part(bytes(data))])


def test_a_text_about_images_holds_none() -> None:
    body = encode({"messages": [{"role": "user", "content": '{"image_url": "an image"}'}]})
    assert shown_in(body) == []


def test_an_images_tokens_are_part_of_what_the_prefix_cache_knows() -> None:
    one, other = (read_prompt(encode(ask(part(file(*s))))).tokens() for s in ((56, 28), (28, 56)))
    assert len(one) == len(other) == 2 + 2
    assert one[:2] == other[:2]
    assert not {*one[2:]} & {*other[2:]}


def test_usage_and_truth_tell_of_them(serve: Serve) -> None:  # noqa: F811
    http = serve()
    asked = ask(part(file(57, 28)), part(file(57, 28)), part(file(28, 28, "JPEG"), "jpeg"))
    answer = http.post("/v1/chat/completions", json=asked).json()
    assert answer["usage"]["prompt_tokens"] == 2 + 3 + 3 + 1
    truth = http.get("/stats").json()
    assert (truth["images"], truth["different_images"]) == ({"57x28": 2, "28x28": 1}, 2)


def test_image_tokens_may_be_set(serve: Serve) -> None:  # noqa: F811
    answer = serve(image_tokens=100).post("/v1/chat/completions", json=ask(part(file(57, 28))))
    assert answer.json()["usage"]["prompt_tokens"] == 102


def test_a_model_without_eyes_says_so(serve: Serve) -> None:  # noqa: F811
    answer = serve(image_tokens=0).post("/v1/chat/completions", json=ask(part(file(57, 28))))
    words = "At most 0 image(s) may be provided in one prompt."
    assert (answer.status_code, answer.json()["error"]) == (400, words)
