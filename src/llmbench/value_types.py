"""The types of the values that a configuration may hold, and the words for mistakes in them."""

import difflib
import re
from bisect import bisect_left
from itertools import pairwise
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, inspect

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
NumaNode = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
ArrivalsText = Annotated[str, Meta(pattern=r"^(poisson|constant|gamma:\d*\.?\d+)$")]
Counts = Annotated[tuple[Count, ...], Meta(min_length=1)]
Percentiles = dict[Literal["p50", "p90", "p95", "p99"], Positive]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Preset = Literal[
    "mlperf-llama2-70b",
    "mlperf-llama2-70b-interactive",
    "mlperf-llama3.1-405b",
    "mlperf-llama3.1-405b-interactive",
    "mlperf-llama3.1-8b",
    "mlperf-llama3.1-8b-interactive",
    "mlperf-mixtral-8x7b",
    "mlperf-deepseek-r1",
    "mlperf-deepseek-r1-interactive",
    "mlperf-gpt-oss-120b",
    "mlperf-gpt-oss-120b-interactive",
]
"""The names of MLPerf's limits, which `llmbench.metrics.slos` holds."""


class Slo(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits that a cell must meet. `preset` takes MLPerf's, by name; other keys override it."""

    preset: Preset | None = None
    ttft_ms: Percentiles = {}
    time_per_token_ms: Percentiles = {}
    latency_ms: Percentiles = {}
    error_rate: Share | None = None
    goodput: Share | None = None  # least share of requests that meet the per-request limits


class EngineSteps(Struct, frozen=True, forbid_unknown_fields=True):
    """How a simulated engine makes its steps, and what one of them costs.

    ``prefill-first`` computes whole prompts in steps of their own, as TGI 0.9.4 does; ``mixed``
    decodes and computes pieces of prompts in the same step, as vLLM does.
    """

    base_ms: NotNegative = 0.0
    ms_per_sequence: NotNegative = 0.0
    ms_per_context_token: NotNegative = 0.0  # of the sequences that get a token
    ms_per_prompt_token: NotNegative = 0.0
    policy: Literal["prefill-first", "mixed"] = "mixed"
    token_budget: Count = 4096  # tokens that a step may compute
    most_sequences: Count = 128
    kv_tokens: Count = 1_000_000  # whose keys and values fit into memory
    waiting_served_ratio: Positive = 1.2  # prefill-first: prompts for each running sequence that
    most_waiting_steps: Count = 20  # interrupt it; after so many steps, one is enough
    gather_ms: NotNegative = 0.0  # that an idle engine waits for what comes together
    batch_times_ms: tuple[tuple[Count, Positive], ...] = ()  # [sequences, ms], in place of both

    def __post_init__(self) -> None:
        if bool(self.base_ms or self.ms_per_sequence) == bool(self.batch_times_ms):
            raise ValueError("give base_ms, or batch_times_ms in its place")
        if not self.batch_times_ms:
            return
        numbers, times = zip(*self.batch_times_ms, strict=True)
        rise = all(fewer < more for fewer, more in pairwise(numbers)) and len(numbers) > 1
        if not rise or list(times) != sorted(times):
            raise ValueError("batch_times_ms: give two pairs or more, both numbers of them rising")

    def batch_ms(self, sequences: int) -> float:
        """What a step with so many sequences lasts besides context and prompts.

        With `batch_times_ms`, straight lines join these times. Fewer sequences than the first take
        as long as that. Each beyond the last takes what a prompt token does, as both are one more
        vector in the same products of matrices.
        """
        times = self.batch_times_ms
        if not times:
            return self.base_ms + self.ms_per_sequence * sequences
        place = bisect_left(times, sequences, 1, len(times) - 1, key=itemgetter(0))
        (few, few_ms), (many, many_ms) = times[place - 1], times[place]
        share = min(max(0.0, (sequences - few) / (many - few)), 1.0)
        beyond_ms = max(0, sequences - many) * self.ms_per_prompt_token
        return few_ms + share * (many_ms - few_ms) + beyond_ms


class PrefixCacheSize(Struct, frozen=True, forbid_unknown_fields=True):
    """The prefix cache of a simulated engine, which has memory of its own."""

    tokens: Count
    block_tokens: Count = 16  # only whole blocks are found again


class ModelSize(Struct, frozen=True, forbid_unknown_fields=True):
    """What a model needs in memory, so that a launch that can't fit is told before it starts.

    The KV cache holds a key and a value of `head_size` numbers for each layer, KV head and token.
    """

    weights: str  # "3.6g", as the engine loads them
    layers: Count
    kv_heads: Count
    head_size: Count
    kv_number_bytes: Positive = 2.0  # of a number in the KV cache: 2 in 16 bits
    bandwidth_gb_per_s: Positive | None = None  # of the memory that holds both, 10^9 bytes/s

    def kv_bytes(self, tokens: int) -> int:
        """The KV cache of so many tokens in all."""
        numbers = 2 * self.layers * self.kv_heads * self.head_size * tokens
        return round(numbers * self.kv_number_bytes)


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """What the host costs, and where that figure comes from.

    A GPU host has a price per hour; a CPU host one for each core-hour and GiB-hour, or per hour.
    A `machine` of ``prices.toml`` gives what isn't told here.
    """

    region: str
    date: str  # ISO, the day the price was read
    source: str
    machine: str | None = None  # its name in prices.toml
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0  # of the host that is paid for: 4 GPUs of 8
    gpus: Count | None = None  # of the whole host
    cores: Count | None = None  # of the whole host
    against: str | None = None  # an API of prices.toml, whose price is shown beside
    usd_per_hour: Positive | None = None
    usd_per_core_hour: Positive | None = None
    usd_per_gib_hour: Positive | None = None
    utilisation: Annotated[float, Meta(gt=0, le=1)] = 1.0
    output_weight: Positive = 4.0  # price of an output token over an input token's


class Images(Struct, frozen=True):
    """The pictures of one request: how many, and the size of each in pixels."""

    count: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """As in the id of a cell, without the ``@`` that pytest's ``-k`` doesn't take."""
        return f"images{self.count}-{self.size}"

    @property
    def size(self) -> str:
        """The size of each as it is written: ``512x512``."""
        return f"{self.width}x{self.height}"

    @property
    def text(self) -> str:
        """All as a person says it: ``2 images of 512x512``."""
        return f"{self.count} image{'' if self.count == 1 else 's'} of {self.size}"


class RequestFields(Struct, frozen=True, forbid_unknown_fields=True):
    """How the fields of a request differ from those of its dialect.

    `add` is merged into the body, object by object. A name in `omit` may lead into an object
    (``stream_options.include_usage``). `rename` gives fields another name.
    """

    add: dict[str, Any] = {}
    omit: tuple[str, ...] = ()
    rename: dict[str, str] = {}


def nearest(word: str, valid: list[str]) -> str:
    """The end of an error: ``; did you mean 'x'?`` and the list of all valid words."""
    close = difflib.get_close_matches(word, valid, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (valid: {', '.join(valid)})"


def explain(error: msgspec.ValidationError, schema: type[Struct], raw: dict[str, Any]) -> str:
    """msgspec's `error` about `raw`, which is not a `schema`, in the words of a TOML file.

    It has the form ``key: what is wrong; what would be right``.
    """
    fault, _, place = str(error).partition(" - at ")
    is_key = place.startswith("`key` in ")
    key = re.sub(r"^(`key` in )?`\$\.?|`$", "", place)
    kind = _type_at(inspect.type_info(schema), key, raw)
    prefix = f"{key}." if key else ""
    word = (re.search(r"`(.+?)`|'(.+?)'", fault) or [""])[0].strip("`'")
    if "unknown field" in fault:
        return f"unknown key '{prefix}{word}'{nearest(word, _fields(kind))}"
    if "missing required field" in fault:
        words = _words(_type_at(kind, word, {}))
        return f"key '{prefix}{word}' is missing" + (f" (valid: {', '.join(words)})" * bool(words))
    if is_key and isinstance(kind, inspect.DictType):
        return f"unknown key '{prefix}{word}'{nearest(word, _words(kind.key_type))}"
    if valid := _words(kind):
        return f"key {key!r}: unknown {word!r}{nearest(word, valid)}"
    return f"key {key or '(top level)'!r}: {fault[0].lower()}{fault[1:]}"


def _type_at(kind: inspect.Type, key: str, value: Any) -> inspect.Type:
    """The type that msgspec expects at `key` within `kind`, where `value` stands."""
    for step in re.findall(r"\w+|\[.*?\]", key):
        structs = _structs(kind)
        if structs and step == structs[0].tag_field:
            return inspect.LiteralType(tuple(str(struct.tag) for struct in structs))
        kind = _present(_tagged(kind, value))
        if isinstance(kind, inspect.StructType):
            kind = next((f.type for f in kind.fields if f.name == step), inspect.AnyType())
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
        else:
            kind = getattr(kind, "item_type", inspect.AnyType())
    return _present(_tagged(kind, value))


def _tagged(kind: inspect.Type, value: Any) -> inspect.Type:
    """Of several tables that can stand where `value` does, the one that it says it is."""
    structs = _structs(kind)
    if len(structs) < 2 or not isinstance(value, dict):
        return kind
    return next((s for s in structs if s.tag == value.get(str(s.tag_field))), kind)


def _present(kind: inspect.Type) -> inspect.Type:
    """`kind` without the possibility that nothing is there."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    kinds = tuple(t for t in kind.types if not isinstance(t, inspect.NoneType))
    return kinds[0] if len(kinds) == 1 else inspect.UnionType(kinds)


def _structs(kind: inspect.Type) -> list[inspect.StructType]:
    """The tables that can stand where `kind` is expected."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [struct for struct in kinds if isinstance(struct, inspect.StructType)]


def _fields(kind: inspect.Type) -> list[str]:
    """The keys of a table; a model's name is that of its file."""
    structs = _structs(kind)
    tags = [structs[0].tag_field] if structs and structs[0].tag_field else []
    fields = [field.name for field in structs[0].fields] if structs else []
    return tags + [name for name in fields if name != "name"]


def _words(kind: inspect.Type) -> list[str]:
    """The words that are valid where `kind` is expected; none where any would be."""
    return [str(word) for word in kind.values] if isinstance(kind, inspect.LiteralType) else []
