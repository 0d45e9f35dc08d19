"""The ``docker`` kind: an engine in a container limited to cores and memory.

`spec` says what a configuration amounts to, `engine` whether this host can run it, `images`
pulls or builds, `creating` and `life` start and stop, `watch` tells how a container ended,
`profile` what it uses, `reaper` removes what dead sessions left. The Docker SDK is imported only
when needed.
"""

from llmbench.servers.docker.container import launch_docker
from llmbench.servers.docker.engine import docker_unavailable
from llmbench.servers.docker.reaper import reap
from llmbench.servers.docker.spec import ContainerSpec, container_spec, docker_run_line

__all__ = [
    "ContainerSpec",
    "container_spec",
    "docker_run_line",
    "docker_unavailable",
    "launch_docker",
    "reap",
]
