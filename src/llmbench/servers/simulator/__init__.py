"""The simulated server: deterministic, with a known truth, able to fail in every known way.

docs/simulator.md describes it. `serve` is ``llmbench simulate``; `llmbench.servers.launch`
starts it as a process of its own.
"""

from collections.abc import Callable

from llmbench.config import SimulatedServer


def serve(
    config: SimulatedServer,
    host: str,
    port: int,
    *,
    seed: int = 0,
    pin: tuple[int, ...] = (),
    say: Callable[[str], None] = print,
) -> None:
    """Serve the truth of `config` until Ctrl-C; says its URL once it listens.

    `pin` keeps the process to those cores. `ConfigError` for a fault that is none, or where it
    can't listen.
    """
    from llmbench.servers.simulator.server import Simulator, settle
    from llmbench.servers.simulator.settings import SimulatorSettings

    settle(pin)
    simulator = Simulator(SimulatorSettings(config, seed=seed, host=host, port=port))
    say(f"simulated server at http://{host}:{simulator.port} (its truth: /stats); Ctrl-C ends it")
    try:
        simulator.run()
    except KeyboardInterrupt:
        say("ended")
