"""Keys and headers: where secrets may be, and where not."""

import pytest

from llmbench.access import check_secrets, check_url, request_headers, tls_context
from llmbench.config import ConfigError
from llmbench.records import ClientSettings


def test_the_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sesame")
    headers = request_headers(ClientSettings(api_key_env="MY_KEY"))
    assert headers == {"user-agent": "pytest-llmbench", "authorization": "Bearer sesame"}


def test_without_a_key_there_is_no_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMBENCH_API_KEY", raising=False)
    assert "authorization" not in request_headers(ClientSettings())


def test_a_header_takes_its_value_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "sesame")
    settings = ClientSettings(headers={"X-Token": "$TEAM_TOKEN", "X-Team": "blue"})
    check_secrets(settings, "m")
    assert request_headers(settings)["x-token"] == "sesame"
    assert request_headers(settings)["x-team"] == "blue"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_TOKEN", raising=False)
    settings = ClientSettings(headers={"X-Token": "$TEAM_TOKEN"})
    with pytest.raises(ConfigError, match="X-Token: the environment variable TEAM_TOKEN is not"):
        request_headers(settings)


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "Cookie", "X-Auth-Token"])
def test_a_secret_in_a_file_is_refused_without_showing_it(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_secrets(ClientSettings(headers={name: "sesame"}), "my-model")
    assert f"my-model: client.headers.{name}: a secret doesn't belong in a file" in str(
        caught.value
    )
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://host/", "http://"])
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--llm-url: .* is not a URL; write it like http://127"):
        check_url(url, "--llm-url")


def test_a_password_in_a_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="a password doesn't belong in a URL"):
        check_url("http://me:sesame@127.0.0.1:80", "--llm-url")


def test_a_query_in_a_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        check_url("http://host:80/v1?key=sesame", "--llm-url")
    assert str(caught.value) == (
        "--llm-url: host: no password or query in a URL; put an API key into the environment "
        "variable that client.api_key_env names"
    )


def test_a_missing_ca_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"TLS files absent\.pem: can't be loaded"):
        tls_context(ClientSettings(ca_file="absent.pem"))
