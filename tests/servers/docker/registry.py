"""A registry of one image on loopback: just enough of the distribution API for a pull."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
UNKNOWN = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def digest_of(content: bytes) -> str:
    """``sha256:…`` of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def registry(name: str, layer: bytes) -> Iterator[str]:
    """The image ``NAME:latest`` whose one layer is the tar archive `layer`; its full name."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
    ).encode()
    parts = [(config, CONFIG), (layer, LAYER)]
    described = [
        {"mediaType": kind, "size": len(content), "digest": digest_of(content)}
        for content, kind in parts
    ]
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
    ).encode()
    pages = {
        f"/v2/{name}/manifests/{tag}": (manifest, MANIFEST)
        for tag in ("latest", digest_of(manifest))
    } | {f"/v2/{name}/blobs/{digest_of(content)}": (content, kind) for content, kind in parts}
    with _serving(pages) as port:
        yield f"127.0.0.1:{port}/{name}:latest"


@contextmanager
def _serving(pages: dict[str, tuple[bytes, str]]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = pages.get(self.path, (UNKNOWN, "application/json"))
            known = self.path in pages or self.path == "/v2/"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", digest_of(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
