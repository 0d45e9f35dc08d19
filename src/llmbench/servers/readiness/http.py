"""The HTTP client for all that is not timed: readiness, server info."""

import httpx

from llmbench.access import request_headers, tls_context
from llmbench.records import ClientSettings


def http_client(base_url: str, settings: ClientSettings, timeout_s: float) -> httpx.Client:
    """A client for `base_url` with the settings' TLS, headers and API key; no proxies."""
    return httpx.Client(
        base_url=base_url,
        headers=request_headers(settings),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, settings.connect_timeout_s)),
        verify=tls_context(settings) if base_url.startswith("https:") else False,
        trust_env=False,
    )
