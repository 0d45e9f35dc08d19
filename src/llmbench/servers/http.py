"""The HTTP client for all that is not timed: readiness, server info."""

import os
import ssl

import httpx

from llmbench.records import ClientSettings

USER_AGENT = "pytest-llmbench"


def http_client(base_url: str, settings: ClientSettings, timeout_s: float) -> httpx.Client:
    """A client for `base_url` with the settings' TLS, headers and API key; no proxies."""
    return httpx.Client(
        base_url=base_url,
        headers=_headers(settings),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, settings.connect_timeout_s)),
        verify=_tls(settings) if base_url.startswith("https:") else False,
        trust_env=False,
    )


def _headers(settings: ClientSettings) -> dict[str, str]:
    key = os.environ.get(settings.api_key_env)
    bearer = {"authorization": f"Bearer {key}"} if key else {}
    return {"user-agent": USER_AGENT} | bearer | settings.headers


def _tls(settings: ClientSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert_file is not None:
        context.load_cert_chain(settings.client_cert_file, settings.client_key_file)
    return context
