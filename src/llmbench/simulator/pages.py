"""Answers all requests but completions: health, models, metrics, and what the simulator did."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.simulator import encoding
from llmbench.simulator.client import Request
from llmbench.simulator.dialects.engine_pages import LIKENESSES, Likeness
from llmbench.simulator.dialects.metric_words import WORDS
from llmbench.simulator.scheduling.schedule import Scheduler
from llmbench.simulator.simulator_settings import SimulatorSettings
from llmbench.simulator.texts.rendered import count_tokens
from llmbench.simulator.truth import Truth


class State(Struct, frozen=True):
    """The state of the simulator that the pages show."""

    settings: SimulatorSettings
    schedule: Scheduler
    truth: Truth


def answer_page(state: State, request: Request) -> bytes:
    """The answer to a request for anything but a completion."""
    likeness = LIKENESSES.get(state.settings.engine or "")
    if likeness is not None:
        return _answer_as(likeness, state, request)
    if request.path.startswith("/v2/models/") and request.path.endswith("/ready"):
        return encoding.page(200, b"")
    route = _ROUTES.get((request.method, request.path))
    if route is not None:
        return route(state, request)
    status = 405 if any(path == request.path for _method, path in _ROUTES) else 404
    return _json({"error": f"{request.method} {request.path}: nothing here"}, status)


def completes(state: State, path: str) -> bool:
    """Whether the engine that the simulator passes for, if any, takes completions at `path`."""
    likeness = LIKENESSES.get(state.settings.engine or "")
    return likeness is None or any(path.startswith(known) for known in likeness.completions)


def _answer_as(likeness: Likeness, state: State, request: Request) -> bytes:
    """A page of the engine that the simulator passes for; only health and truth are its own."""
    page = likeness.pages(state.settings.model).get((request.method, request.path))
    if page is not None:
        return _json(page)
    if request.path == likeness.tokenize:
        return _tokenize(state, request)
    own = {"/health", "/v2/health/ready", "/stats", "/stats/requests", "/stats/reset"}
    own |= {"/metrics"} if state.settings.engine in WORDS else set()
    route = _ROUTES.get((request.method, request.path)) if request.path in own else None
    return _json({"detail": "Not Found"}, 404) if route is None else route(state, request)


def _json(page: Any, status: int = 200) -> bytes:
    return encoding.page(status, msgspec.json.encode(page))


def _health(state: State, request: Request) -> bytes:
    return _json({"status": "ok"})


def _models(state: State, request: Request) -> bytes:
    model = {
        "id": state.settings.model,
        "object": "model",
        "created": 1700000000,
        "owned_by": "llmbench-simulator",
    }
    return _json({"object": "list", "data": [model]})


def _info(state: State, request: Request) -> bytes:
    truth = msgspec.to_builtins(state.settings.config)
    return _json({"model_id": state.settings.model, "simulated": True, **truth})


def _tokenize(state: State, request: Request) -> bytes:
    """Answer as llama.cpp, vLLM, LMDeploy and TGI (a list) do, with made-up ids, as many as the
    simulator counts."""
    try:
        page = msgspec.json.decode(request.body)
        text = next(page[key] for key in ("content", "prompt", "inputs", "input") if key in page)
        number = count_tokens(text) if text else 0
    except (msgspec.DecodeError, TypeError, StopIteration):
        return _json({"error": "send a JSON object with content, prompt, inputs or input"}, 400)
    ids = list(range(1000, 1000 + number))
    if state.settings.engine == "tgi":
        return _json([{"id": one} for one in ids])
    if state.settings.engine == "lmdeploy":
        return _json({"input_ids": ids, "length": number})
    return _json({"tokens": ids, "count": number})


def _stats(state: State, request: Request) -> bytes:
    return _json(state.truth.page() | state.schedule.occupancy.page())


def _served(state: State, request: Request) -> bytes:
    """Each request that ended since the last reset, as `ServedRequest`."""
    return _json(state.truth.served)


def _reset(state: State, request: Request) -> bytes:
    state.truth.reset()
    state.schedule.occupancy.reset()
    return _stats(state, request)


def _metrics(state: State, request: Request) -> bytes:
    """What it counts, under the names of the engine that it passes for, or whose words it takes."""
    config, truth = state.settings.config, state.truth
    running, waiting, kv_tokens = state.schedule.occupancy.now
    gauges: dict[str, float] = {"running": running, "waiting": waiting}
    room = config.kv_tokens if config.steps is None else config.steps.kv_tokens
    if room is not None:
        gauges["kv_usage"] = kv_tokens / room
    counters = {"prompt_tokens": truth.prompt_tokens, "output_tokens": truth.output_tokens}
    if config.prefix_cache is not None:
        counters |= {"prefix_queries": truth.queried_tokens, "prefix_hits": truth.cached_tokens}
    counters["preemptions"] = state.schedule.preemptions
    counters |= {f"drafts_{name}": truth.drafts[name] for name in ("steps", "drafted", "accepted")}
    histograms = {"ttft": truth.ttft_histogram, "gap": truth.gap_histogram}
    numbers, words = gauges | counters, WORDS[state.settings.engine or config.metrics_as]
    lines: list[str] = []
    for quantity, name in words.items():
        if quantity in histograms:
            lines += histograms[quantity].lines(name)
        elif quantity in numbers:
            kind = "gauge" if quantity in gauges else "counter"
            lines += [f"# TYPE {name.partition('{')[0]} {kind}", f"{name} {numbers[quantity]}"]
    text = "\n".join(lines) + "\n"
    return encoding.page(200, text.encode(), "text/plain; version=0.0.4")


_ROUTES: dict[tuple[str, str], Callable[[State, Request], bytes]] = {
    ("GET", "/health"): _health,
    ("GET", "/ping"): _health,
    ("GET", "/v2/health/ready"): _health,
    ("GET", "/api/version"): lambda state, request: _json({"version": "0.0.0-simulated"}),
    ("GET", "/version"): lambda state, request: _json({"version": "0.0.0-simulated"}),
    ("GET", "/v1/models"): _models,
    ("GET", "/info"): _info,
    ("GET", "/metrics"): _metrics,
    ("GET", "/stats"): _stats,
    ("GET", "/stats/requests"): _served,
    ("POST", "/stats/reset"): _reset,
    ("POST", "/tokenize"): _tokenize,
}
