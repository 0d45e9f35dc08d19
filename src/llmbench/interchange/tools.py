"""The tools whose files are read, and how a file is told to be of one of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.interchange.measurements import ToolFile, UnfitField
from llmbench.interchange.plausibility import check_units
from llmbench.interchange.readers import (
    aiperf,
    guidellm,
    inference_perf,
    k6_summary,
    locust_stats,
    pytest_benchmark,
    servebench,
    vllm_bench,
)


class Tool(Struct, frozen=True):
    """A tool: how to know its files and to read them, and what its time per token is."""

    name: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any], ToolFile]
    definition: str


TOOLS = (
    Tool(
        "vLLM bench",
        vllm_bench.is_vllm_bench,
        vllm_bench.read_vllm_bench,
        vllm_bench.DEFINITION,
    ),
    Tool("AIPerf", aiperf.is_aiperf, aiperf.read_aiperf, aiperf.DEFINITION),
    Tool("GuideLLM", guidellm.is_guidellm, guidellm.read_guidellm, guidellm.DEFINITION),
    Tool(
        "inference-perf",
        inference_perf.is_inference_perf,
        inference_perf.read_inference_perf,
        inference_perf.DEFINITION,
    ),
    Tool("servebench", servebench.is_servebench, servebench.read_servebench, servebench.DEFINITION),
    Tool(
        "pytest-benchmark",
        pytest_benchmark.is_pytest_benchmark,
        pytest_benchmark.read_pytest_benchmark,
        pytest_benchmark.DEFINITION,
    ),
    Tool("Locust", locust_stats.is_locust, locust_stats.read_locust, locust_stats.DEFINITION),
    Tool("k6", k6_summary.is_k6, k6_summary.read_k6, k6_summary.DEFINITION),
)


def tool_called(name: str | None) -> Tool | None:
    """The tool of that name; None where this package doesn't know it."""
    return next((tool for tool in TOOLS if tool.name == name), None)


def read_tool_file(path: Path) -> tuple[Tool, ToolFile]:
    """The tool that wrote a file, and what the file says.

    `ConfigError` with file, field and reason for a file of an unknown tool or layout, for one
    that is cut short, and for figures that can't be in their unit.
    """
    document = read_document(path)
    tool = next((tool for tool in TOOLS if tool.recognises(document)), None)
    if tool is None:
        known = ", ".join(tool.name for tool in TOOLS)
        raise ConfigError(f"{path}: of no tool that is known ({known}): {_fields(document)}")
    try:
        read = tool.read(document)
        for measurement in read.measurements:
            check_units(measurement)
    except UnfitField as error:
        raise ConfigError(f"{path}: {tool.name}: {error}") from error
    except msgspec.ValidationError as error:
        fault, _, place = str(error).partition(" - at ")
        field = place.strip("`").removeprefix("$").removeprefix(".") or "the file"
        raise ConfigError(
            f"{path}: {tool.name}: {field}: {fault}: a layout that is not known here"
        ) from error
    if not read.measurements:
        raise ConfigError(f"{path}: {tool.name}: it holds no load")
    return tool, read


def read_document(path: Path) -> Any:
    """The JSON of a file; of a file with a document on each line, the list of them."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text: {error.reason}") from error
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: cut short or damaged, not JSON: {error}") from error


def _fields(document: Any) -> str:
    if not isinstance(document, dict) or not document:
        return "it is not an object with fields"
    return f"its fields are {', '.join([*document][:6])}"
