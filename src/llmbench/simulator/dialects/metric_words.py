"""The names under which each engine publishes what the simulator counts, for ``/metrics``."""

WORDS = {
    "vllm": {
        "running": "vllm:num_requests_running",
        "waiting": "vllm:num_requests_waiting",
        "kv_usage": "vllm:kv_cache_usage_perc",
        "prompt_tokens": "vllm:prompt_tokens_total",
        "output_tokens": "vllm:generation_tokens_total",
        "ttft": "vllm:time_to_first_token_seconds",
        "gap": "vllm:inter_token_latency_seconds",
        "preemptions": "vllm:num_preemptions_total",
        "drafts_steps": "vllm:spec_decode_num_drafts_total",
        "drafts_drafted": "vllm:spec_decode_num_draft_tokens_total",
        "drafts_accepted": "vllm:spec_decode_num_accepted_tokens_total",
    },
    "sglang": {
        "running": "sglang:num_running_reqs",
        "waiting": "sglang:num_queue_reqs",
        "kv_usage": "sglang:token_usage",
        "prompt_tokens": "sglang:prompt_tokens_total",
        "output_tokens": "sglang:generation_tokens_total",
        "ttft": "sglang:time_to_first_token_seconds",
        "gap": "sglang:inter_token_latency_seconds",
    },
    "llama.cpp": {
        "running": "llamacpp:requests_processing",
        "waiting": "llamacpp:requests_deferred",
        "prompt_tokens": "llamacpp:prompt_tokens_total",
        "output_tokens": "llamacpp:tokens_predicted_total",
        "drafts_steps": "llamacpp:spec_decode_num_drafts_total",
        "drafts_drafted": "llamacpp:spec_decode_num_draft_tokens_total",
        "drafts_accepted": "llamacpp:spec_decode_num_accepted_tokens_total",
    },
    "tgi": {"running": "tgi_batch_current_size", "waiting": "tgi_queue_size"},
    "lmdeploy": {
        "running": "lmdeploy:num_requests_running",
        "waiting": "lmdeploy:num_requests_waiting",
        "kv_usage": "lmdeploy:gpu_cache_usage_perc",
        "prompt_tokens": "lmdeploy:prompt_tokens_total",
        "output_tokens": "lmdeploy:generation_tokens_total",
        "ttft": "lmdeploy:time_to_first_token_seconds",
        "gap": "lmdeploy:iter_token_latency",
        "drafts_steps": "lmdeploy:spec_decode_num_drafts_total",
        "drafts_drafted": "lmdeploy:spec_decode_num_draft_tokens_total",
        "drafts_accepted": "lmdeploy:spec_decode_num_accepted_tokens_total",
    },
    "triton": {
        "running": 'nv_trt_llm_request_metrics{request_type="scheduled"}',
        "waiting": 'nv_trt_llm_request_metrics{request_type="waiting"}',
        "kv_usage": 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}',
    },
}
"""For each engine the names of those quantities that it tells."""
