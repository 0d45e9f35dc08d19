"""Print how fast a fleet is replayed: tests.perf.fleet_rate [REPLICAS REQUESTS KIND ROUTING].

KIND is ``lengths`` (128 tokens in, 64 out) or ``chat`` (conversations of four turns, with prefix
caches). CPU time is that of drawing, replaying and measuring on one core, without compiling.
"""

import resource
import sys
from time import process_time

import numpy as np

from llmbench.traffic import Conversations, Think
from llmbench.twin.fleet.drawing import LengthPairs, Workload, draw
from llmbench.twin.fleet.replaying import Replicated, serve
from llmbench.twin.fleet.routing import ROUTINGS
from llmbench.value_types import EngineSteps, PrefixCacheSize

STEPS = EngineSteps(
    base_ms=10.0, ms_per_sequence=0.5, ms_per_context_token=1e-4, ms_per_prompt_token=0.05
)
CACHE = PrefixCacheSize(100_000)
KINDS: dict[str, LengthPairs | Conversations] = {
    "lengths": ((128, 64),),
    "chat": Conversations(
        "chat", 64, turns=4, user_tokens=(32,), system_tokens=200, think=Think(5, "exponential")
    ),
}
RATES_PER_REPLICA = {"lengths": 16.5, "chat": 16.5}


def main(replicas: int, requests: int, kind: str, routings: list[str]) -> None:
    cache = CACHE if kind == "chat" else None
    workload = Workload(KINDS[kind], RATES_PER_REPLICA[kind] * replicas)
    for routing in ROUTINGS:
        if routing not in routings:
            continue
        fleet = Replicated(STEPS, replicas, routing, cache)
        began = process_time()
        serve(fleet, draw(workload, 100, seed=1))
        compiled = process_time()
        served = serve(fleet, draw(workload, requests, seed=1))
        took_s, count = process_time() - compiled, len(served.ttft_ms)
        memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{routing}: {requests:,} requests on {replicas} replicas, {count:,} of them measured"
        )
        print(f"  {took_s:.1f} s of CPU time, {requests / took_s:,.0f} requests/s, ", end="")
        print(f"{memory_mib:,.0f} MiB at most so far (compiling: {compiled - began:.1f} s)")
        print(f"  TTFT p95 {np.quantile(served.ttft_ms, 0.95):,.1f} ms, ", end="")
        print(f"{served.cached_tokens / served.prompt_tokens:.0%} of prompts cached", flush=True)


if __name__ == "__main__":
    WORDS = [*sys.argv[1:4], *("100", "1000000", "lengths")[len(sys.argv) - 1 :]]
    main(int(WORDS[0]), int(WORDS[1]), WORDS[2], sys.argv[4:] or list(ROUTINGS))
