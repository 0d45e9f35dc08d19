"""Images beside prompts: what is sent, what arrives, and what is known of it."""

import json
from base64 import b64decode
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

from llmbench.apis import dialect
from llmbench.cells import Arrivals, Cell, Users
from llmbench.load.plan.maker import Drawing
from llmbench.load.plan.requests import RequestMaker
from llmbench.load.plan.synthetic_images import SyntheticImages
from llmbench.load.wire.target import Target
from llmbench.metrics import summarise, table
from llmbench.store import RunInfo
from llmbench.value_types import Images
from llmbench.verdict.gate.samples.fingerprints import fingerprint
from tests.load.serving import PROMPTS, Load, Scripted, answering, endpoint, response

TWO = Images(2, 65, 30)  # six tokens each; a row doesn't end with a whole byte
CELL = Cell("m", 8, 16, Users(1), images=TWO)
DRAWING = Drawing(1, 1, "5a17")


def pixels(image: str) -> np.ndarray:
    """An image as any server decodes it: rows of pixels of red, green and blue."""
    with Image.open(BytesIO(b64decode(image, validate=True))) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened.convert("RGB"))


def test_images_have_the_size_that_was_asked_for() -> None:
    made = SyntheticImages(CELL, DRAWING).of(0)
    assert [pixels(image).shape for image in made] == [(30, 65, 3)] * 2


def test_no_two_images_have_more_than_a_few_pixels_in_common() -> None:
    made = SyntheticImages(CELL, DRAWING)
    seen = [pixels(image) for ordinal in range(20) for image in made.of(ordinal)]
    for place, one in enumerate(seen):
        for other in seen[:place]:
            same = (one == other).all(axis=2).mean()
            assert same < 0.1  # one of 16 colours is the run's own


def test_images_follow_from_the_seed_but_for_the_colour_of_the_run() -> None:
    first = SyntheticImages(CELL, DRAWING).of(3)
    assert SyntheticImages(CELL, DRAWING).of(3) == first
    for other in (Drawing(2, 1, "5a17"), Drawing(1, 2, "5a17")):
        assert not {*SyntheticImages(CELL, other).of(3)} & {*first}
    other_run = SyntheticImages(CELL, Drawing(1, 1, "other")).of(3)
    differing = (pixels(other_run[0]) != pixels(first[0])).any(axis=2).mean()
    assert 0 < differing < 0.1


def test_with_the_caches_on_the_seed_alone_decides() -> None:
    cell = Cell("m", 8, 16, Users(1), prefix_cache="on", images=TWO)
    first, again = (SyntheticImages(cell, Drawing(1, 1, salt)).of(0) for salt in ("a", "b"))
    assert first == again


PARTS = {
    "openai-chat": ("messages", "text", "image_url"),
    "openai-responses": ("input", "input_text", "input_image"),
    "anthropic-messages": ("messages", "text", "image"),
}


@pytest.mark.parametrize("api", PARTS)
def test_each_api_has_its_own_form_of_images(api: str) -> None:
    target = Target(endpoint("http://127.0.0.1:1", api), dialect(api))
    planned = RequestMaker(CELL, PROMPTS, (target,), DRAWING).make(
        0, user=1, request=1, phase="measured"
    )
    where, text, kind = PARTS[api]
    body = json.loads(planned.payload.partition(b"\r\n\r\n")[2])
    first, *shown = body[where][0]["content"]
    assert first == {"type": text, "text": PROMPTS[planned.prompt].text}
    assert [part["type"] for part in shown] == [kind] * 2
    assert (planned.images, planned.prompt_tokens, planned.input_tokens) == (2, None, None)
    data = [part.get("image_url") or part["source"] for part in shown]
    urls = [one.get("url") or one["data"] if isinstance(one, dict) else one for one in data]
    assert [pixels(url.rpartition(",")[2]).shape for url in urls] == [(30, 65, 3)] * 2


@pytest.mark.parametrize(
    ("api", "workers"),
    [("openai-completions", 2), *((api, 1) for api in PARTS)],
)
def test_exactly_the_images_that_were_asked_for_arrive_all_different(
    api: str, workers: int, simulator: str, load: Load
) -> None:
    httpx.post(f"{simulator}/stats/reset")
    asked = endpoint(simulator, api)
    run = load.keep(asked, Users(3, 4), images=TWO, workers=workers, warmup_per_user=1)
    truth = httpx.get(f"{simulator}/stats").json()
    assert (truth["images"], truth["different_images"]) == ({"65x30": 30}, 30)
    summary = summarise(run, table(load.run.requests()))
    assert (summary.succeeded, summary.failed) == (12, 0)
    records = [*load.run.requests()]
    assert {record.images for record in records} == {2}
    assert {record.prompt_tokens for record in records} == {None}
    for record in records:
        text = -(-len(PROMPTS[record.prompt_index].text) // 4)
        assert record.input_tokens == text + 2 * 6
    assert summary.images_per_s == pytest.approx(2 * (summary.requests_per_s or 0))
    assert summary.input_length_hit_rate is None  # the server alone knows an image's tokens


def test_a_cells_fingerprint_names_its_images(simulator: str, load: Load) -> None:
    info = RunInfo(0, (), 7, "0", 1, None, None, {}, {}, ())
    run = load.keep(endpoint(simulator, "openai-chat"), Users(1, 1), images=TWO)
    assert fingerprint(info, [run])[f"cell.{run.cell_id}.images"] == "2 images of 65x30"
    run = load.keep(endpoint(simulator, "openai-chat"), Users(1, 1))
    assert f"cell.{run.cell_id}.images" not in fingerprint(info, [run])


def test_arrivals_have_images_too(simulator: str, load: Load) -> None:
    httpx.post(f"{simulator}/stats/reset")
    shape = Arrivals(200.0, "constant", requests=20)
    records = load(endpoint(simulator, "openai-chat"), shape, images=Images(1, 28, 28))
    assert [record.error_kind for record in records] == [None] * 20
    assert httpx.get(f"{simulator}/stats").json()["different_images"] == 20


def test_without_images_nothing_is_known_of_them(simulator: str, load: Load) -> None:
    run = load.keep(endpoint(simulator, "openai-chat"), Users(1, 2))
    summary = summarise(run, table(load.run.requests()))
    assert summary.images_per_s is None
    assert {record.images for record in load.run.requests()} == {None}


def test_a_server_that_takes_none_is_a_failure_in_its_words(load: Load) -> None:
    words = "At most 0 image(s) may be provided in one prompt."
    body = json.dumps({"error": {"message": words, "type": "BadRequestError"}}).encode()
    with Scripted(answering(response(body, status=b"400 Bad Request"))) as server:
        (record,) = load(endpoint(server.url, "openai-chat"), Users(1, 1), images=TWO)
    assert (record.error_kind, record.http_status, record.images) == ("http_4xx", 400, 2)
    assert words in (record.error or "")


def test_a_body_of_megabytes_arrives_whole(simulator: str, load: Load) -> None:
    httpx.post(f"{simulator}/stats/reset")
    large = Images(2, 2000, 1500)
    records = load(endpoint(simulator, "openai-chat"), Users(2, 2), images=large)
    assert [record.error for record in records] == [None] * 4
    assert httpx.get(f"{simulator}/stats").json()["images"] == {"2000x1500": 8}
