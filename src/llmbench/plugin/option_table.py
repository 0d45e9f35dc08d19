"""The plugin's options: their names, what they take, and their help."""

from typing import NamedTuple


class Option(NamedTuple):
    """``--llm-NAME METAVAR`` and the ini key ``llm_NAME``; `grid` names its key in a TOML.

    One without a `metavar` is a switch.
    """

    name: str
    metavar: str
    help: str
    grid: str | None = None

    @property
    def flag(self) -> str:
        return f"--llm-{self.name}"

    @property
    def ini(self) -> str:
        return f"llm_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("url", "URL,URL|auto", "measure the servers that answer there (auto: on this host)"),
    Option("deal", "NAME", "requests to several servers: round robin (default), or least busy"),
    Option("api", "NAME", "dialect of --llm-url (default: what the server is found to speak)"),
    Option("model", "NAME", "model name that requests carry (default: the only one served)"),
    Option("tokenizer", "ID|DIR", "tokenizer that counts the prompts (default: the model's)"),
    Option("request-add", "JSON", "fields to add to each request to --llm-url"),
    Option("request-omit", "NAME,NAME", "fields to leave out of each request to --llm-url"),
    Option("ca-file", "FILE", "certificate of the authority that --llm-url's certificate is from"),
    Option("insecure", "", "don't verify the certificate of --llm-url"),
    Option("input-tokens", "N,N", "prompt lengths in tokens", "input_tokens"),
    Option("output-tokens", "N,N", "output lengths in tokens", "output_tokens"),
    Option("schema", "none,FILE", "JSON schema that answers shall conform to, swept", "schema"),
    Option("images", "none,N@WxH", "pictures of each request and their size, swept", "images"),
    Option("inputs", "N,N", "texts of each request for embeddings or a rerank", "inputs"),
    Option("users", "N,N", "numbers of concurrent users (closed loop)", "users"),
    Option("requests", "N", "measured requests for each user (default 5)", "requests"),
    Option("duration", "S", "measure each cell for S seconds instead of a count", "duration_s"),
    Option(
        "repeats", "N|N..M", "repeats of each cell; N..M stops when the verdict is known", "repeats"
    ),
    Option("launches", "N", "launches of the server that the repeats are spread over", "launches"),
    Option("spawn-rate", "R", "users that start each second (default: all at once)", "spawn_rate"),
    Option("rates", "R,R", "arrival rates in requests/s (open loop)", "rates"),
    Option("arrivals", "NAME", "poisson (default), constant, or gamma:SHAPE", "arrivals"),
    Option("traffic", "NAME,FILE", "conversations and other traffic, not lengths", "traffic"),
    Option("traffic-dir", "DIR", "folder of traffic TOML files (default fixtures/traffic)"),
    Option("prefix-cache", "off,on", "without and with the server's prefix cache", "prefix_cache"),
    Option("cores", "N,N", "CPU cores of the container, swept", "cores"),
    Option("memory", "M,M", "memory of the container, swept: 512m,2g", "memory"),
    Option("instances", "N,N", "instances of the server, swept", "instances"),
    Option("ssh-tunnel", "", "reach containers of an engine at ssh:// through SSH, time included"),
    Option("ab", "A,B", "models that test_ab.py compares, A B B A; model@tag is one at a version"),
    Option("ab-time", "S", "longest load of test_ab.py, in seconds (default 300)"),
    Option("search-time", "S", "time of a search for the highest rate or users (default 120)"),
    Option("trace", "FILE", "replay this trace (test_rate.py)"),
    Option("workers", "N", "load generating processes (default 1)"),
    Option("cluster", "ADDRESS", "Dask scheduler whose workers generate the load"),
    Option("seed", "N", "seed of prompts and arrivals (default 1)"),
    Option("timeout", "S", "longest time for one request"),
    Option("run-dir", "DIR", "directory of this run (default reports/runs/<utc>-<sha>)"),
    Option("prompts-dir", "DIR", "where prompt files are kept (default fixtures/prompts)"),
    Option("prompts", "SOURCE", "hub dataset, file or package: that prompts are made of"),
    Option("models-dir", "DIR", "folder of model TOML files (default fixtures/models)"),
    Option("baselines-dir", "DIR", "folder of stored baselines (default reports/baselines)"),
    Option("save-baseline", "NAME", "store this run as a baseline"),
    Option("openmetrics", "FILE", "write the figures and verdicts as OpenMetrics text"),
    Option("baseline", "NAME", "compare with that baseline; exit status 1 on a regression"),
    Option("tolerance", "M=P%,…", "change that is no regression, as in ttft=10%,throughput=5%"),
    Option("inconclusive", "pass|fail", "what a verdict comes to that can't tell (default pass)"),
    Option("host-allowance", "P%", "shift of all cells that is put down to the host (default 2%)"),
    Option(
        "launch-allowance", "P%", "spread of launches where a side has one only (default 3%, sd)"
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
OF_URL = ("request-add", "request-omit", "ca-file", "insecure")
"""The options that mean nothing without --llm-url."""

DEFAULTS = {
    "workers": "1",
    "seed": "1",
    "prompts-dir": "fixtures/prompts",
    "models-dir": "fixtures/models",
    "traffic-dir": "fixtures/traffic",
    "baselines-dir": "reports/baselines",
    "inconclusive": "pass",
}
