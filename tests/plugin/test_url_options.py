"""The options beside --llm-url: what they come to, and each mistake in them."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from llmbench.bench import Sought
from llmbench.config import ConfigError
from llmbench.plugin.url_options import sought
from llmbench.records import ClientSettings
from llmbench.value_types import RequestFields

URL = "http://127.0.0.1:8000"


def read(url: str = URL, **options: Any) -> Sought:
    nothing = {"model": "", "api": "", "tokenizer": "", "add": None, "omit": None}
    return sought(url, **(nothing | {"ca_file": None, "insecure": None} | options))


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**options)
    return str(caught.value)


def test_fields_are_added_and_left_out() -> None:
    fields = read(add='{"top_k": 1}', omit="seed, stream_options.include_usage").request
    assert fields == RequestFields({"top_k": 1}, ("seed", "stream_options.include_usage"))


def test_an_authority_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    assert read(ca_file=path).client == ClientSettings(ca_file=str(path))


@pytest.mark.parametrize(("text", "verified"), [("true", False), ("no", True), (None, True)])
def test_a_certificate_need_not_be_verified(text: str | None, verified: bool) -> None:
    assert read(insecure=text).client.verify_tls is verified


def test_auto_is_a_url() -> None:
    assert read("auto").url == "auto"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"add": '{"top_k": '},
            "--llm-request-add: '{\"top_k\": ' is not a JSON object (Input data was truncated); "
            "write it like '{\"top_k\": 1}'",
        ),
        ({"add": "[1]"}, "--llm-request-add: '[1]' is not a JSON object (Expected `object`, got"),
        (
            {"omit": "ignore_eso", "api": "openai-chat"},
            "--llm-request-omit: requests of openai-chat have no field 'ignore_eso'; did you mean "
            "'ignore_eos'? (valid: model, messages, ",
        ),
        ({"insecure": "perhaps"}, "--llm-insecure: 'perhaps' is neither true nor false"),
        (
            {"ca_file": Path("/nowhere/ca.pem")},
            "--llm-ca-file: TLS files /nowhere/ca.pem: can't be loaded: [Errno 2] No such file",
        ),
        ({"ca_file": Path(__file__)}, f"--llm-ca-file: TLS files {__file__}: can't be loaded: ["),
        ({"api": "openai"}, "unknown API 'openai'; did you mean 'openai-chat'?"),
    ],
)
def test_a_mistake_is_named(options: dict[str, Any], message: str) -> None:
    assert refusal(**options).startswith(message)
