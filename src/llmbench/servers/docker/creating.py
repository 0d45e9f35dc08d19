"""Creates a container and removes it again, whatever happens in between."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from llmbench.config import ModelConfig
from llmbench.servers.docker.engine import EngineFacts, NoEngine, connect
from llmbench.servers.docker.images import Say
from llmbench.servers.docker.reaper import owner, remove
from llmbench.servers.docker.spec import ContainerSpec
from llmbench.servers.docker.watch import container_hint
from llmbench.servers.placement.topology import format_cpuset
from llmbench.servers.running import LaunchError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


@contextmanager
def created(
    client: "DockerClient",
    config: ModelConfig,
    spec: ContainerSpec,
    facts: EngineFacts,
    session: str,
    say: Say,
) -> Iterator[tuple["Container", tuple[str, ...]]]:
    """Create a container for as long as the context is open; also gives the engine's warnings.

    Its name is chosen here, so that it can be removed even when the answer to its creation
    never arrived. `say` is told of one that could not be removed.
    """
    from docker.errors import APIError

    name = f"llmbench-{re.sub(r'[^a-zA-Z0-9_.-]', '-', config.name)}-{uuid4().hex[:8]}"
    made: dict[str, Any] | None = None
    try:
        try:
            api: Any = client.api  # the level at which the engine's warnings are returned
            made = api.create_container(
                name=name, **_create_arguments(client, spec, facts, owner(client, session))
            )
        except APIError as error:
            made = {}  # no creation is under way
            raise refused(config.name, "created", error) from None
        yield client.containers.get(made["Id"]), tuple(made.get("Warnings") or ())
    except KeyboardInterrupt:
        with suppress(NoEngine):  # the interrupted call may hold a lock of its pool for ever
            client = connect()
        raise
    finally:
        problem = _remove_named(client, name, patience_s=0.0 if made is not None else 1.0)
        if problem is not None:
            say(f"{name} {problem}; the next session removes what is left of it")


def _remove_named(client: "DockerClient", name: str, patience_s: float) -> str | None:
    """Remove the container `name`; wait so long for one whose creation may be under way.

    Why it could not be removed, as `remove` says; None when it is gone.
    """
    import requests
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + patience_s
    while True:
        try:
            return remove(client.containers.get(name))
        except NotFound:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)
        except (APIError, requests.RequestException) as error:  # an engine that is gone, or slow
            return f"can't be looked up to be removed: {error}"


def _create_arguments(
    client: "DockerClient", spec: ContainerSpec, facts: EngineFacts, owner: dict[str, str]
) -> dict[str, Any]:
    """What the SDK is told to create `spec`'s container.

    The proxies of the docker command's config.json go into its environment, as with that command.
    """
    from docker.types import DeviceRequest, LogConfig, Ulimit

    which: dict[str, Any] = (
        {"count": spec.gpus} if isinstance(spec.gpus, int) else {"device_ids": list(spec.gpus)}
    )
    gpus = [DeviceRequest(capabilities=[["gpu"]], **which)] if spec.gpus else None
    quota = None if spec.quota_cores is None else round(spec.quota_cores * 1e9)
    host = client.api.create_host_config(
        binds=[f"{source}:{target}" for source, target in spec.mounts],
        port_bindings={spec.port: (facts.reach.publish_on,)},
        cpuset_cpus=format_cpuset(spec.cpuset) or None,
        cpuset_mems=format_cpuset(spec.memory_nodes) or None,
        nano_cpus=quota,
        mem_limit=spec.memory_bytes,
        memswap_limit=spec.memory_bytes,
        shm_size=spec.shm_bytes,
        cap_add=list(spec.cap_add) or None,
        device_requests=gpus,
        devices=list(spec.devices) or None,
        runtime=spec.runtime,
        ipc_mode=spec.ipc,
        ulimits=[Ulimit(name=name, soft=value, hard=value) for name, value in spec.ulimits] or None,
        group_add=list(spec.group_add) or None,
        log_config=LogConfig(type="json-file", config={"max-size": "50m"}),
    )
    variables = {name: os.environ[name] if v is None else v for name, v in spec.environment}
    return {
        "image": spec.image,
        "command": list(spec.command),
        "entrypoint": spec.entrypoint,
        "environment": variables,
        "ports": [spec.port],
        "labels": owner,
        "host_config": host,
        "use_config_proxy": True,
    }


def refused(name: str, step: str, error: Any) -> LaunchError:
    """The engine's refusal of `step` ("created", "started") for `name`'s container, with a hint."""
    reason = str(error.explanation or error)
    return LaunchError(
        name, f"the container can't be {step}: {reason}", hint=container_hint(reason)
    )
