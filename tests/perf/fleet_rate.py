"""Print how fast a fleet's traffic is replayed: tests.perf.fleet_rate [REPLICAS REQUESTS].

Requests have 128 tokens in and 64 out; replicas serve three quarters of the most that they can.
"""

import resource
import sys
from time import perf_counter

from llmbench.twin.fleet import Fleet
from llmbench.twin.planning import traffic
from llmbench.value_types import EngineSteps

STEPS = EngineSteps(base_ms=10.0, ms_per_sequence=0.5, ms_per_prompt_token=0.05)
RATE_PER_REPLICA = 16.5
MANY = 10_000_000


def main(replicas: int, requests: int) -> None:
    arrivals = traffic(((128, 64),), RATE_PER_REPLICA * replicas, requests, seed=1)
    began = perf_counter()
    served = Fleet(STEPS, replicas, "round-robin").serve(arrivals)
    took_s = perf_counter() - began
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{requests:,} requests on {replicas} replicas, busy {served.busy_share:.0%}:")
    print(f"  {took_s:.1f} s, {requests / took_s:,.0f} requests/s, {memory_mib:,.0f} MiB")
    print(f"  {MANY:,} would take {MANY / requests * took_s / 60:,.0f} min")


if __name__ == "__main__":
    REPLICAS, REQUESTS = (int(word) for word in (sys.argv[1:] or ("100", "20000")))
    main(REPLICAS, REQUESTS)
