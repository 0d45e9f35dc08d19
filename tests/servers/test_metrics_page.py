"""Reading what servers count of themselves, from pages in their own words."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from llmbench.records import Endpoint, Launch, ServerSums, Sum
from llmbench.servers.readiness import metrics_page as histograms
from llmbench.servers.readiness.metrics_page import between, parse, read_histograms, sums_since

VLLM = """\
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 3.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 4.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.5
vllm:time_to_first_token_seconds_count{engine="1",model_name="m"} 1.0
vllm:time_to_first_token_seconds_sum{engine="1",model_name="m"} 0.25
# TYPE vllm:time_to_first_token_seconds_created gauge
vllm:time_to_first_token_seconds_created{engine="0",model_name="m"} 1.7e+09
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{engine="0",le="+Inf",model_name="m"} 40.0
vllm:inter_token_latency_seconds_count{engine="0",model_name="m"} 40.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="m"} 1.0
# TYPE vllm:time_per_output_token_seconds histogram
vllm:time_per_output_token_seconds_count{engine="0",model_name="m"} 7.0
vllm:time_per_output_token_seconds_sum{engine="0",model_name="m"} 9.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 5.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 2.0
"""
SGLANG = """\
# TYPE sglang:time_to_first_token_seconds histogram
sglang:time_to_first_token_seconds_sum{model_name="m"} 0.75
sglang:time_to_first_token_seconds_bucket{le="+Inf",model_name="m"} 5.0
sglang:time_to_first_token_seconds_count{model_name="m"} 5.0
# TYPE sglang:time_per_output_token_seconds histogram
sglang:time_per_output_token_seconds_sum{model_name="m"} 1.0
sglang:time_per_output_token_seconds_count{model_name="m"} 40.0
"""
TGI = """\
# TYPE tgi_request_duration histogram
tgi_request_duration_bucket{le="+Inf"} 5
tgi_request_duration_sum 2.0
tgi_request_duration_count 5

# TYPE tgi_request_mean_time_per_token_duration summary
tgi_request_mean_time_per_token_duration{quantile="0.5"} 0.03
tgi_request_mean_time_per_token_duration_sum 0.2
tgi_request_mean_time_per_token_duration_count 5
"""
LLAMA_CPP = """\
# HELP llamacpp:prompt_seconds_total Prompt process time
# TYPE llamacpp:prompt_seconds_total counter
llamacpp:prompt_seconds_total 1.5
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 0
# TYPE llamacpp:kv_cache_usage_ratio gauge
llamacpp:kv_cache_usage_ratio NaN
"""


def test_vllm_tells_all_three_summed_over_its_engines() -> None:
    assert between({}, parse(VLLM)) == ServerSums(Sum(5, 750.0), Sum(40, 1000.0), Sum(5, 2000.0))


def test_sglang_under_its_older_name() -> None:
    assert between({}, parse(SGLANG)) == ServerSums(Sum(5, 750.0), Sum(40, 1000.0))


def test_of_tgi_only_the_whole_latency_is_comparable() -> None:
    assert between({}, parse(TGI)) == ServerSums(latency=Sum(5, 2000.0))


def test_lmdeploys_iterations_go_before_its_time_per_token() -> None:
    text = "".join(
        f"lmdeploy:{name}_count 10\nlmdeploy:{name}_sum {seconds}\n"
        for name, seconds in (("time_per_output_token_seconds", 3), ("iter_token_latency", 2))
    )
    assert between({}, parse(text)) == ServerSums(token=Sum(10, 2000.0))


def test_llama_cpps_page_holds_none_of_them() -> None:
    assert parse(LLAMA_CPP) == {}
    assert between({}, parse(LLAMA_CPP)) is None


def test_only_what_was_counted_in_between() -> None:
    name = "vllm:time_to_first_token_seconds"
    assert between({name: (2, 0.5)}, {name: (6, 1.5)}) == ServerSums(Sum(4, 1000.0))
    assert between({name: (2, 0.5)}, {name: (2, 0.5)}) is None


def test_a_counter_that_was_reset_is_not_known() -> None:
    ttft, latency = "vllm:time_to_first_token_seconds", "vllm:e2e_request_latency_seconds"
    assert between({ttft: (9, 1.0)}, {ttft: (4, 0.5)}) is None
    assert between({ttft: (3, 1.0)}, {ttft: (4, 0.5)}) is None
    after = {ttft: (4, 0.5), latency: (2, 1.0)}
    assert between({ttft: (9, 1.0)}, after) == ServerSums(latency=Sum(2, 1000.0))


def test_sums_that_are_no_numbers_are_left_out() -> None:
    name = "vllm:time_to_first_token_seconds"
    assert parse(f"{name}_count 3\n{name}_sum NaN\n") == {}
    assert parse(f"{name}_count 3\n") == {}


Pages = Callable[..., Endpoint]


@pytest.fixture
def serving() -> Iterator[Pages]:
    """A server that answers ``/metrics`` with these pages in turn, the last for ever."""
    servers: list[HTTPServer] = []

    def serve(*pages: tuple[int, str]) -> Endpoint:
        left = list(pages)

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status if self.path == "/metrics" else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a test's output is its own."""

        server = HTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return at(f"http://127.0.0.1:{server.server_port}")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def at(url: str) -> Endpoint:
    return Endpoint(url, "openai-completions", "m", simulated=False, launch=Launch("remote", 0))


@pytest.mark.parametrize(
    "page",
    [
        (404, "not found"),
        (501, '{"error": "start it with --metrics"}'),
        (200, "<html><body>sign in</body></html>"),
        (200, '[{"iter": 1, "gpuMemUsage": 2}]'),
    ],
)
def test_a_page_that_is_none_is_not_known(serving: Pages, page: tuple[int, str]) -> None:
    assert read_histograms(serving(page)) is None
    assert sums_since({}, serving(page)) is None


def test_no_server_is_not_known() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    assert read_histograms(at(f"http://127.0.0.1:{port}")) is None


def test_a_slow_page_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "TIMEOUT_S", 0.05)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        assert read_histograms(at(f"http://127.0.0.1:{silent.server_port}")) is None


def test_a_page_without_end_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "TIMEOUT_S", 0.2)

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"# more\n")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a test's output is its own."""

    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert read_histograms(at(f"http://127.0.0.1:{server.server_port}")) is None


def test_nothing_is_asked_where_there_was_no_page_before() -> None:
    assert sums_since(None, at("http://127.0.0.1:1")) is None


def test_a_last_request_that_is_counted_late_is_waited_for(serving: Pages) -> None:
    name = "vllm:time_to_first_token_seconds"
    pages = [(200, f"{name}_count {n}\n{name}_sum {n}\n") for n in (1, 4, 5, 5)]
    endpoint = serving(*pages)
    before = read_histograms(endpoint)
    assert sums_since(before, endpoint) == ServerSums(Sum(4, 4000.0))
