"""An engine's account of a request in its own words, which don't all mean the same.

vLLM's time to the first token begins when the request is scheduled. llama.cpp tells no queue. TGI
tells whole milliseconds, of prefill and decoding together, and only beside an answer that is not
streamed. SGLang tells the prefill's end by the wall clock.
"""

from typing import Any

from llmbench.clock import offset_ns
from llmbench.simulator.asked import Asked
from llmbench.simulator.scheduling.account import Account, Told


def vllm_metrics(account: Account, tokens: int) -> dict[str, Any]:
    """What ``--enable-per-request-metrics`` adds to the last chunk as ``metrics``."""
    inference_s = (account.prefill_ms + account.decode_ms) / 1e3
    return {
        "time_to_first_token_ms": account.prefill_ms,
        "queue_time_ms": account.queue_ms,
        "generation_time_ms": account.decode_ms,
        "mean_itl_ms": account.decode_ms / (tokens - 1) if tokens > 1 else None,
        "tokens_per_second": tokens / inference_s if inference_s else None,
    }


def openai_predictions(account: Account) -> dict[str, Any]:
    """OpenAI's ``completion_tokens_details``, where tokens were drafted."""
    drafts = account.drafts
    if not drafts.drafted:
        return {}
    rejected = drafts.drafted - drafts.accepted
    told = {
        "accepted_prediction_tokens": drafts.accepted,
        "rejected_prediction_tokens": rejected,
    }
    return {"completion_tokens_details": told}


def llama_timings(account: Told, asked: Asked, tokens: int) -> dict[str, Any]:
    """llama.cpp's ``timings``; its clock starts when a slot takes the prompt."""
    cached = asked.cached_tokens or 0
    told: dict[str, Any] = {}
    if account is not None or asked.cached_tokens is not None:
        told = {"cache_n": cached, "prompt_n": asked.prompt_tokens - cached, "predicted_n": tokens}
    if account is not None:
        told |= {"prompt_ms": account.prefill_ms, "predicted_ms": account.decode_ms}
    if account is not None and (drafts := account.drafts).drafted:
        told |= {"draft_n": drafts.drafted, "draft_n_accepted": drafts.accepted}
    return {"timings": told} if told else {}


def sglang_meta(account: Account) -> dict[str, Any]:
    """What SGLang adds to ``meta_info`` of the last event with ``--enable-metrics``."""
    drafts = account.drafts
    received_s = (account.received_ns + offset_ns()) / 1e9
    told: dict[str, Any] = {
        "e2e_latency": account.total_ms / 1e3,
        "queue_time": account.queue_ms / 1e3,
        "request_received_ts": received_s,
        "prefill_finished_ts": received_s + (account.queue_ms + account.prefill_ms) / 1e3,
    }
    if drafts.drafted:
        told |= {
            "spec_verify_ct": drafts.steps,
            "spec_proposed_drafts": drafts.drafted,
            "spec_accepted_drafts": drafts.accepted,
        }
    return told


def ollama_durations(account: Account) -> dict[str, Any]:
    """Ollama's durations in nanoseconds; the whole one holds a queue that it doesn't tell."""
    return {
        "total_duration": round(account.total_ms * 1e6),
        "load_duration": 0,
        "prompt_eval_duration": round(account.prefill_ms * 1e6),
        "eval_duration": round(account.decode_ms * 1e6),
    }


def tgi_headers(account: Account, tokens: int) -> tuple[str, ...]:
    """TGI's headers of an answer that is not streamed, cut to whole milliseconds."""
    inference_ms = account.prefill_ms + account.decode_ms
    return (
        f"x-total-time: {int(account.total_ms)}",
        "x-validation-time: 0",
        f"x-queue-time: {int(account.queue_ms)}",
        f"x-inference-time: {int(inference_ms)}",
        f"x-time-per-token: {int(inference_ms / max(1, tokens))}",
    )
