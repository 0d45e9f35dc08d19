"""What sampling a container once a second costs the client, and asking whether it still runs.

Run it where a Docker Engine answers: ``python tests/perf/docker_sampling.py``.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from llmbench.cells import Limits
from llmbench.config import load_model
from llmbench.servers.docker.container import launch_docker
from llmbench.servers.docker.engine import connect
from llmbench.servers.docker.profile import Profile
from llmbench.servers.placement.placing import place

MODEL = Path("fixtures/models/smollm2-135m-docker.toml")


def cost(name: str, act: Callable[[], object], rounds: int) -> None:
    """Print CPU and wall time of one call, and the share of a core at one call a second."""
    act()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        act()
    wall_ms = (time.perf_counter() - wall) / rounds * 1e3
    cpu_ms = (time.process_time() - cpu) / rounds * 1e3
    print(f"{name:28} {cpu_ms:8.3f} ms CPU {wall_ms:9.3f} ms wall {cpu_ms / 10:7.3f} % of a core")


def main() -> None:
    """Sample a real container by both ways."""
    with (
        TemporaryDirectory() as logs,
        launch_docker(
            load_model(MODEL), Limits(), log_dir=Path(logs), cores=place(1), session="perf"
        ) as server,
    ):
        client = connect()
        container = client.containers.get(str(server.endpoint.launch.container_id))
        files = Profile(container, "m", limit_cores=1)
        cost(f"sample by {files.source}", files.sample, 500)
        api = Profile(container, "m", limit_cores=1)
        api._cgroup = None
        cost(f"sample by {api.source}", api.sample, 5)
        cost("does it still run", server.died, 200)
        client.close()


if __name__ == "__main__":
    main()
