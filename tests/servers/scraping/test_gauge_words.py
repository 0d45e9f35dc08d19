"""The gauges of each engine, read from pages in its own words."""

import pytest

from llmbench.servers.scraping.gauge_words import read_gauges

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a {b} \\"c\\""} 2.0
vllm:num_requests_running{engine="1",model_name="a {b} \\"c\\""} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:num_requests_waiting{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1.2e+03
vllm:prefix_cache_queries_created{engine="0",model_name="m"} 1.7e+09
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 300.0
vllm:num_preemptions_total{engine="0",model_name="m"} 7.0
vllm:spec_decode_num_drafts_total{engine="0",model_name="m"} 100.0
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="m"} 400.0
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} 180.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="0"} 90.0
"""
SGLANG = """\
sglang:num_running_reqs{dp_rank="0",model_name="m",tp_rank="0"} 3.0
sglang:num_running_reqs{dp_rank="0",model_name="m",tp_rank="1"} 3.0
sglang:num_running_reqs{dp_rank="1",model_name="m",tp_rank="2"} 2.0
sglang:num_queue_reqs{model_name="m"} 6.0
sglang:token_usage{model_name="m"} 0.28
sglang:prompt_tokens_total{model_name="m"} 1000.0
sglang:cached_tokens_total{cache_source="device",model_name="m"} 100.0
sglang:cached_tokens_total{cache_source="host",model_name="m"} 20.0
sglang:num_retracted_requests_total{model_name="m"} 1.0
sglang:spec_accept_length{model_name="m"} 3.74
"""
LLAMA_CPP = """\
llamacpp:prompt_tokens_total 90
llamacpp:prompt_tokens_cached_total 30
llamacpp:spec_decode_num_draft_tokens_total 0
llamacpp:spec_decode_num_accepted_tokens_total 0
llamacpp:spec_decode_num_drafts_total 0
llamacpp:requests_processing 2
llamacpp:requests_deferred 6
"""
TGI = """\
# TYPE tgi_queue_size gauge
tgi_queue_size 5
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 3
tgi_batch_current_max_tokens 4000
"""
LMDEPLOY = """\
lmdeploy:num_requests_running{engine="0",model_name="m"} 3.0
lmdeploy:num_requests_waiting{engine="0",model_name="m"} 1.0
lmdeploy:gpu_cache_usage_perc{engine="0",model_name="m"} 0.5
lmdeploy:spec_decode_num_drafts_total{engine="0",model_name="m"} 10.0
lmdeploy:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} 12.0
"""
TRITON = """\
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="active",version="1"} 9
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="scheduled",version="1"} 3
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="waiting",version="1"} 6
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="t",version="1"} 0.125
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="t",version="1"} 4
"""


def test_vllm_tells_all_summed_over_its_engines_and_their_share_averaged() -> None:
    assert read_gauges(VLLM) == {
        "running": 3,
        "waiting": 5,
        "kv_usage": 0.5,
        "cache_queries": 1200,
        "cache_hits": 300,
        "preemptions": 7,
        "drafts": 100,
        "draft_tokens": 400,
        "accepted_tokens": 180,
    }


def test_sglangs_ranks_of_one_engine_count_once() -> None:
    assert read_gauges(SGLANG) == {
        "running": 5,
        "waiting": 6,
        "kv_usage": 0.28,
        "cache_queries": 1000,
        "cache_hits": 120,
        "preemptions": 1,
        "accepted_length": 3.74,
    }


def test_sglang_without_speculation_has_no_accepted_length() -> None:
    assert "accepted_length" not in read_gauges('sglang:spec_accept_length{model_name="m"} 0.0\n')


def test_llama_cpps_prompt_tokens_are_without_those_that_it_knew() -> None:
    assert read_gauges(LLAMA_CPP) == {
        "running": 2,
        "waiting": 6,
        "cache_queries": 120,
        "cache_hits": 30,
        "drafts": 0,
        "draft_tokens": 0,
        "accepted_tokens": 0,
    }


def test_an_older_llama_cpp_without_cached_tokens_doesnt_tell_its_queries() -> None:
    assert read_gauges("llamacpp:prompt_tokens_total 90\n") == {}


def test_tgi_tells_two() -> None:
    assert read_gauges(TGI) == {"running": 3, "waiting": 5}


def test_lmdeploy() -> None:
    assert read_gauges(LMDEPLOY) == {
        "running": 3,
        "waiting": 1,
        "kv_usage": 0.5,
        "drafts": 10,
        "accepted_tokens": 12,
    }


def test_tritons_labels_say_what_is_meant() -> None:
    assert read_gauges(TRITON) == {"running": 3, "waiting": 6, "kv_usage": 0.125}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "many", ""])
def test_what_is_no_value_is_not_told(value: str) -> None:
    page = f"vllm:num_requests_running {value}\nvllm:num_requests_waiting 1\n"
    assert read_gauges(page) == {"waiting": 1}


@pytest.mark.parametrize("page", ["", "<html>vllm:num_requests_running 3</html>", '[{"iter": 1}]'])
def test_another_page_tells_nothing(page: str) -> None:
    assert read_gauges(page) == {}
