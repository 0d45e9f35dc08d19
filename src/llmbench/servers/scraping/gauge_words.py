"""What the engines call their gauges and counters, and how a page's series become one number.

vLLM, SGLang, llama.cpp, TGI, LMDeploy and Triton's TensorRT-LLM publish them in Prometheus' text
format. A page of vLLM has thousands of lines, of which a dozen are wanted, so that lines are looked
at by their names only.
"""

import math
import re
from collections.abc import Mapping

WORDS = {
    "running": (
        "vllm:num_requests_running",
        "sglang:num_running_reqs",
        "llamacpp:requests_processing",
        "tgi_batch_current_size",
        "lmdeploy:num_requests_running",
        'nv_trt_llm_request_metrics{request_type="scheduled"}',
    ),
    "waiting": (
        "vllm:num_requests_waiting",
        "sglang:num_queue_reqs",
        "llamacpp:requests_deferred",
        "tgi_queue_size",
        "lmdeploy:num_requests_waiting",
        'nv_trt_llm_request_metrics{request_type="waiting"}',
    ),
    "kv_usage": (
        "vllm:kv_cache_usage_perc",
        "vllm:gpu_cache_usage_perc",  # older
        "sglang:token_usage",
        "llamacpp:kv_cache_usage_ratio",  # older
        "lmdeploy:gpu_cache_usage_perc",
        'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}',
    ),
    "cache_queries": (
        "vllm:prefix_cache_queries_total",
        "vllm:gpu_prefix_cache_queries_total",  # older
        "sglang:prompt_tokens_total",
        "llamacpp:prompt_tokens_total + llamacpp:prompt_tokens_cached_total",
    ),
    "cache_hits": (
        "vllm:prefix_cache_hits_total",
        "vllm:gpu_prefix_cache_hits_total",  # older
        "sglang:cached_tokens_total",
        "llamacpp:prompt_tokens_cached_total",
    ),
    "preemptions": (
        "vllm:num_preemptions_total",
        "sglang:num_retracted_requests_total",
    ),
    "drafts": (
        "vllm:spec_decode_num_drafts_total",
        "llamacpp:spec_decode_num_drafts_total",
        "lmdeploy:spec_decode_num_drafts_total",
    ),
    "draft_tokens": (
        "vllm:spec_decode_num_draft_tokens_total",
        "llamacpp:spec_decode_num_draft_tokens_total",
        "lmdeploy:spec_decode_num_draft_tokens_total",
    ),
    "accepted_tokens": (
        "vllm:spec_decode_num_accepted_tokens_total",
        "llamacpp:spec_decode_num_accepted_tokens_total",
        "lmdeploy:spec_decode_num_accepted_tokens_total",
    ),
    "accepted_length": ("sglang:spec_accept_length",),  # has no counters of it
}
"""The names of each quantity of a `GaugeSample`; the first that a page has is used.

A name with a label is of the series with that label only. Names joined by ``+`` are added.
"""

SHARES = ("kv_usage", "accepted_length")
"""The quantities of which several engines behind one page are averaged; others are added."""

_TERMS = {name: tuple(name.split(" + ")) for names in WORDS.values() for name in names}
_WANTED = {term.partition("{")[0] for terms in _TERMS.values() for term in terms}
_LABELLED = [term for terms in _TERMS.values() for term in terms if "{" in term]
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(\{.*\})?[ \t]+(\S+)")
_RANKS = re.compile(r'\b(?:tp|pp|moe_ep|attn_tp)_rank="[^"]*"')

Series = Mapping[str, list[float]]
"""The values of each wanted name, one for each engine behind the page."""


def read_gauges(text: str) -> dict[str, float]:
    """The quantities of `WORDS` that a page tells; none where it is not a metrics page."""
    series = _series(text)
    told: dict[str, float] = {}
    for quantity, names in WORDS.items():
        terms = next((t for t in map(_TERMS.__getitem__, names) if all(n in series for n in t)), ())
        if terms:
            parts = [_whole(series[term], quantity) for term in terms]
            told[quantity] = math.fsum(parts)
    if told.get("accepted_length", 1) < 1:  # SGLang tells 0 where it doesn't speculate
        del told["accepted_length"]
    return told


def _whole(values: list[float], quantity: str) -> float:
    whole = math.fsum(values)
    return whole / len(values) if quantity in SHARES else whole


def _series(text: str) -> Series:
    """The wanted series, those of an engine's own ranks as one: each of them tells the same."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        if line[:64].partition("{")[0].partition(" ")[0] not in _WANTED:
            continue
        match = _LINE.match(line)
        value = _number(match[3]) if match else None
        if match is None or value is None:
            continue
        labels = match[2] or ""
        engine, name = _RANKS.sub("", labels), _name(match[1], labels)
        engines = found.setdefault(name, {})
        engines[engine] = max(value, engines.get(engine, value))
    return {name: list(engines.values()) for name, engines in found.items()}


def _name(name: str, labels: str) -> str:
    """The name, with the label by which `WORDS` tells such series apart."""
    for term in _LABELLED:
        base, _, label = term.partition("{")
        if base == name and label[:-1] in labels:
            return term
    return name


def _number(text: str) -> float | None:
    """A value that can be one of a gauge: finite and not negative."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
