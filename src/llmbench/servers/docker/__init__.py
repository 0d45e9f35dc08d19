"""The ``docker`` kind: an engine in a container limited to cores and memory.

`spec` turns a configuration into a container's description, and `engine` says whether this host
can run it. `images` pulls or builds the image; `creating` and `container` create, start and remove
the container. `reach` leads to engine and port, also through SSH. `watch` tells how it ended,
`profile` measures what it uses, and `reaper` removes containers that dead sessions left. The Docker
SDK is imported only when needed.
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
