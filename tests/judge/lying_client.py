"""A client that really sends the requests and then tells the server's own truth, times a factor.

It writes a file as vLLM bench does, so what the referee says of it must be exactly the lie.
"""

import json
import math
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def complete(url: str, tokens: int) -> None:
    body = {"model": "m", "prompt": "word", "max_tokens": tokens, "stream": True}
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        answer.read()


def main(url: str, users: int, requests: int, result: str, lie: float, mute: bool) -> None:
    together = Barrier(users)  # so that all users are at it at once, also on a busy host

    def complete_one(number: int) -> None:
        if number < users:
            together.wait()
        complete(url, 8)

    with ThreadPoolExecutor(users) as pool:
        list(pool.map(complete_one, range(requests)))
    with urllib.request.urlopen(f"{url}/stats/requests") as answer:
        served = json.load(answer)
    good = [it for it in served if it["outcome"] == "ok"]
    failed = requests - len(good)
    ttft = [(it["first_ns"] - it["received_ns"]) / 1e6 * lie for it in good]
    tpot = [(it["last_ns"] - it["first_ns"]) / (it["tokens"] - 1) / 1e6 * lie for it in good]
    e2el = [(it["last_ns"] - it["received_ns"]) / 1e6 * lie for it in good]
    long_s = (max(it["last_ns"] for it in good) - min(it["received_ns"] for it in good)) / 1e9
    figures = {"ttft": ttft, "tpot": tpot, "e2el": e2el}
    page = {
        "date": "20261126-000000",
        "backend": "openai",
        "model_id": "m",
        "num_prompts": requests,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": users,
        "duration": long_s,
        "completed": requests if mute else len(good),
        "failed": 0 if mute else failed,
        "total_input_tokens": requests,
        "total_output_tokens": 8 * len(good),
        "request_throughput": len(good) / long_s,
        "output_throughput": 8 * len(good) / long_s,
    }
    for name, values in figures.items():
        page[f"mean_{name}_ms"] = sum(values) / len(values)
        page[f"median_{name}_ms"] = quantile(values, 0.50)
        page[f"p99_{name}_ms"] = quantile(values, 0.99)
    Path(result).write_text(json.dumps(page), encoding="utf-8")


if __name__ == "__main__":
    url, users, requests, result, lie, *more = sys.argv[1:]
    main(url, int(users), int(requests), result, float(lie), "mute" in more)
