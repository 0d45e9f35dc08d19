"""Print how fast a fleet's traffic is replayed: tests.perf.fleet_rate [REPLICAS REQUESTS KIND].

KIND is ``lengths`` (128 tokens in, 64 out) or ``chat`` (conversations of four turns, with prefix
caches). Compiling is not part of the rate; it is printed beside it.
"""

import resource
import sys
from time import perf_counter

from llmbench.traffic import Conversations, Think
from llmbench.twin.fleet.drawing import DrawnTraffic, LengthPairs, Workload, draw
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


def main(replicas: int, requests: int, kind: str) -> None:
    cache = CACHE if kind == "chat" else None
    workload = Workload(KINDS[kind], RATES_PER_REPLICA[kind] * replicas)
    for routing in ROUTINGS if cache else ROUTINGS[:2]:
        fleet = Replicated(STEPS, replicas, routing, cache)
        began = perf_counter()
        serve(fleet, draw(workload, 100, seed=1))
        compiled = perf_counter()
        drawn = draw(workload, requests, seed=1)
        _print(fleet, drawn, compiled - began, compiled)


def _print(fleet: Replicated, drawn: DrawnTraffic, compiling_s: float, began_s: float) -> None:
    served = serve(fleet, drawn)
    took_s, requests = perf_counter() - began_s, len(drawn.at_ns)
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{fleet.routing}: {requests:,} requests on {fleet.replicas} replicas", end="")
    print(f" (busy {served.busy_share:.0%}): {took_s:.1f} s with drawing and measuring them,")
    print(f"  {requests / took_s:,.0f} requests/s, {memory_mib:,.0f} MiB at most so far")
    print(f"  (compiled and tried with a few in {compiling_s:.1f} s before)", flush=True)


if __name__ == "__main__":
    WORDS = [*sys.argv[1:], *("100", "1000000", "lengths")[len(sys.argv) - 1 :]]
    main(int(WORDS[0]), int(WORDS[1]), WORDS[2])
