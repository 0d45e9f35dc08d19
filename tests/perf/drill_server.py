"""A model server of the standard library alone, for a container: it counts what it finished."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

finished = 0


class Answers(BaseHTTPRequestHandler):
    """Streams tokens in OpenAI's words; the truth is at ``/stats``, as with the simulator."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = json.dumps({"requests": finished}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        global finished  # noqa: PLW0603
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for left in reversed(range(asked["max_tokens"])):
            time.sleep(0.01)
            reason = None if left else "length"
            self.chunk({"choices": [{"index": 0, "text": " word", "finish_reason": reason}]})
        usage = {"prompt_tokens": 16, "completion_tokens": asked["max_tokens"]}
        self.chunk({"choices": [], "usage": usage})
        finished += 1  # before the last bytes: it must not be told too late
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def chunk(self, event: object) -> None:
        """One event in HTTP's chunked framing."""
        data = b"data: " + json.dumps(event).encode() + b"\n\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, *args: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Answers).serve_forever()
