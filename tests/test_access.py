"""Keys and headers: where secrets may be, and where not."""

from pathlib import Path

import pytest
from msgspec import structs

from llmbench.access import (
    check_secrets,
    check_url,
    check_written,
    masked,
    request_headers,
    tls_context,
)
from llmbench.config import ConfigError, DockerServer, ModelConfig, load_models
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


def serving(*command: str, **server: object) -> ModelConfig:
    """A model in a container with that command, and keys of its server."""
    docker = DockerServer("image", command, port=80)
    model = ModelConfig("m", "M", "m", "tgi", "none", docker)
    return structs.replace(model, server=structs.replace(docker, **server))


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (serving("serve", "--api-key", "sesame"), "server.command: --api-key"),
        (serving("serve", "--api-key=sesame"), "server.command: --api-key"),
        (serving("serve", "--hf-token", "sesame", "--port"), "server.command: --hf-token"),
        (serving("sh", "-c", "serve --api-key sesame"), "server.command: --api-key"),
        (serving("login", "hf_" + "sesame" * 6), "server.command"),
        (serving(settings={"HF_TOKEN": "sesame"}), "server.settings.HF_TOKEN"),
        (serving(settings={"URL": "https://x?k=sk-" + "sesame" * 6}), "server.settings.URL"),
        (serving(build_args={"PIP_PASSWORD": "sesame"}), "server.build_args.PIP_PASSWORD"),
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(
    model: ModelConfig, place: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        check_written(model)
    assert str(refused.value) == (
        f"m: {place}: a secret doesn't belong in a file; put it into an environment variable that "
        "the engine reads (HF_TOKEN, VLLM_API_KEY, …) and name that in server.environment"
    )


def test_what_only_sounds_like_a_secret_is_taken() -> None:
    command = ("--max-tokens", "8", "--eos-token", "</s>", "--api-key-file", "/run/key", "--token")
    settings = {"TOKENIZERS_PARALLELISM": "false", "HF_TOKEN": "", "NAME": "hf_hub sk-1"}
    check_written(serving(*command, settings=settings))


def test_the_configurations_that_are_shipped_have_no_secret() -> None:
    for model in load_models(Path(__file__).parents[1] / "fixtures" / "models"):
        check_written(model)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("sesame\n", "a line break at its end"),
        ("\rsesame", "a line break at its start"),
        ("ses\name", "a line break in its middle"),
        ("\u201csesame\u201d", "a typographic quotation mark at its start"),
        ("sésame", "a character outside ASCII in its middle"),
        ("sesame\x00", "an invisible character at its end"),
        ("\u200bsesame", "an invisible character at its start"),
        ("sesame\udcff", "an invisible character at its end"),
        (" sesame", "a space around it"),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"headers": {"X-Token": "$LLMBENCH_API_KEY"}}])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(
    key: str, problem: str, settings: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {"LLMBENCH_API_KEY": key})
    with pytest.raises(ConfigError) as caught:
        request_headers(ClientSettings(**settings))  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"LLMBENCH_API_KEY: its value has {problem}, which can't be sent in a header: set it "
        "again without that"
    )
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_header_that_cannot_be_sent_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"^client\.headers\.X-Team: its value has a line break in"
    ):
        request_headers(ClientSettings(headers={"X-Team": "blue\r\nx-admin: 1"}))
    with pytest.raises(ConfigError, match=r"'X Team' can't be the name of a header"):
        request_headers(ClientSettings(headers={"X Team": "blue"}))


def test_secrets_that_a_server_echoes_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"LLMBENCH_API_KEY": "sesame", "TEAM": "s3cret", "X": "no"})
    settings = ClientSettings(headers={"X-Token": "$TEAM", "X-Short": "$X", "X-Gone": "$GONE"})
    said = "no such key sesame, no such token s3cret"
    assert masked(said, settings) == "no such key ***, no such token ***"
