"""Works out what requests and tokens cost at a sustained load, at the prices in the model's TOML.

The formulas are those of TrueFoundry's blog post (cost of a request and of a million tokens at
max RPS); the split by weight is how APIs price input and output tokens.
"""

from typing import Literal

from msgspec import Struct, structs

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, RemoteServer, Server, instances_of, limits_of
from llmbench.value_types import Price


class Cost(Struct, frozen=True):
    """Costs in US dollars at a sustained load; ``None`` where there were no such tokens.

    The whole cost is put either on the output (`per_million_output_usd`), or on input and output,
    where an output token weighs as much as `output_weight` input tokens (the two weighted prices).
    """

    usd_per_hour: float
    utilisation: float  # share of the time in which there is load to be served
    output_weight: float
    per_1000_requests_usd: float
    per_million_tokens_usd: float | None  # input and output alike
    per_million_output_usd: float | None  # the output bears the whole cost
    per_million_input_weighted_usd: float | None
    per_million_output_weighted_usd: float | None


def occupied(server: Server, limits: Limits) -> Limits:
    """The cores and memory of all instances of a server under a cell's `limits`.

    What a cell doesn't limit is as in the server's own table.
    """
    own = limits_of(server)
    cores = limits.cores or own.cores or getattr(server, "cores", None)
    memory = limits.memory_bytes or own.memory_bytes
    count = instances_of(server, limits)
    return Limits(cores and count * cores, memory and count * memory)


def price_of(model: ModelConfig) -> Price | None:
    """The price of all hosts of a model's server: each URL of a remote one is a host of its own."""
    price, server = model.price, model.server
    if price is None or price.usd_per_hour is None or not isinstance(server, RemoteServer):
        return price
    return structs.replace(price, usd_per_hour=price.usd_per_hour * hosts_of(server))


def hosts_of(server: Server) -> int:
    """How many hosts a server needs; its instances share the host that starts them."""
    return 1 + len(server.replicas) if isinstance(server, RemoteServer) else 1


def capacity_units(
    model: ModelConfig, limits: Limits
) -> tuple[float, Literal["GPU", "core"]] | None:
    """The GPUs that a server uses under a cell's `limits`, else the cores; None if neither is told.

    A server that doesn't say so itself uses what its price is for.
    """
    server, price = model.server, model.price
    if isinstance(server, DockerServer) and server.gpu_count:
        return server.gpu_count * instances_of(server, limits), "GPU"
    share = 0.0 if price is None else price.share * hosts_of(server)
    if price is not None and price.gpus:
        return share * price.gpus, "GPU"
    if cores := occupied(server, limits).cores:
        return cores, "core"
    return (share * price.cores, "core") if price is not None and price.cores else None


def usd_per_hour(price: Price, limits: Limits | None = None) -> float | None:
    """What a server costs in an hour, as a share of its host or by its cores and GiB.

    `limits` are those of all its instances. None where the price is for cores or GiB and `limits`
    doesn't say how many there are.
    """
    cores = limits.cores if limits else None
    gib = limits.memory_bytes / 2**30 if limits and limits.memory_bytes is not None else None
    parts = [(price.usd_per_core_hour, cores), (price.usd_per_gib_hour, gib)]
    priced = [(usd, count) for usd, count in parts if usd is not None]
    costs = [usd * count for usd, count in priced if count is not None]
    if not priced or len(costs) < len(priced):
        return None if price.usd_per_hour is None else price.share * price.usd_per_hour
    return sum(costs)


def cost(
    price: Price,
    requests_per_s: float,
    input_tokens: float,
    output_tokens: float,
    limits: Limits | None = None,
) -> Cost | None:
    """The cost of a load of `requests_per_s` requests of so many tokens each.

    P is the price in $/h, u the utilisation, l the requests/s, I and O are the tokens of a request,
    and w is the weight of an output token. Then 1000 requests cost 1000 P / (3600 u l), a million
    tokens 1e6 P / (3600 u l (I + O)), and a million output tokens 1e6 P / (3600 u l O). Weighted, a
    million input tokens cost 1e6 P / (3600 u l (I + w O)), and output tokens w times that. The
    result is None without a price for these limits, or without load.
    """
    hourly = usd_per_hour(price, limits)
    if hourly is None or requests_per_s <= 0:
        return None
    request = hourly / (3600 * price.utilisation * requests_per_s)
    weight = price.output_weight
    weighted = _per_million(request, input_tokens + weight * output_tokens)
    return Cost(
        usd_per_hour=hourly,
        utilisation=price.utilisation,
        output_weight=weight,
        per_1000_requests_usd=1000 * request,
        per_million_tokens_usd=_per_million(request, input_tokens + output_tokens),
        per_million_output_usd=_per_million(request, output_tokens),
        per_million_input_weighted_usd=weighted,
        per_million_output_weighted_usd=None if weighted is None else weight * weighted,
    )


def _per_million(request_usd: float, tokens: float) -> float | None:
    return 1e6 * request_usd / tokens if tokens > 0 else None
