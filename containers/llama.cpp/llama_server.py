"""Runs llama.cpp's own HTTP server from the `xllamacpp` wheel, with the flags of llama-server.

It takes the flags that the configurations under fixtures/models use, spelt as
``ghcr.io/ggml-org/llama.cpp:server`` spells them, so that either image runs the same command.
"""

import argparse
import signal

import xllamacpp

LOAD_MODES = {
    "auto": xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_AUTO,
    "mmap": xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP,
    "none": xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE,
}


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags of llama-server that this program understands."""
    parser = argparse.ArgumentParser(prog="llama-server", allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True, help="GGUF file")
    parser.add_argument("-a", "--alias", help="the name that the API gives the model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("-t", "--threads", type=int, default=1, help="threads of the decoding")
    parser.add_argument("-tb", "--threads-batch", type=int, help="threads of the prefill")
    parser.add_argument("-c", "--ctx-size", type=int, default=4096, help="tokens, over all slots")
    parser.add_argument("-np", "--parallel", type=int, default=1, help="slots")
    parser.add_argument("--no-cache-prompt", action="store_true")
    parser.add_argument("--cache-ram", type=int, default=8192, help="MiB of prompt cache")
    parser.add_argument("--load-mode", choices=sorted(LOAD_MODES), default="auto")
    parser.add_argument("--metrics", action="store_true", help="serve /metrics")
    return parser.parse_args(argv)


def parameters(flags: argparse.Namespace) -> xllamacpp.CommonParams:
    """`flags` as llama.cpp's own parameters."""
    params = xllamacpp.CommonParams()
    params.model.path = flags.model
    params.hostnames = [flags.host]
    params.port = flags.port
    params.n_ctx = flags.ctx_size
    params.n_parallel = flags.parallel
    params.cpuparams.n_threads = flags.threads
    params.cpuparams_batch.n_threads = flags.threads_batch or flags.threads
    params.cache_prompt = not flags.no_cache_prompt
    params.cache_ram_mib = flags.cache_ram
    params.load_mode = LOAD_MODES[flags.load_mode]
    params.endpoint_metrics = flags.metrics
    if flags.alias:
        params.model_alias = {flags.alias}
    return params


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the server's threads inherit it
    server = xllamacpp.Server(parameters(parse()))
    print(f"serving on {server.listening_address}", flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
