"""What a configuration and its limits amount to."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmbench.cells import Limits
from llmbench.config import ConfigError, DockerServer, ModelConfig
from llmbench.servers.docker.spec import (
    container_spec,
    docker_run_line,
)
from llmbench.servers.placement.placing import Placement

EIGHT = Placement((0, 1, 2, 3, 4, 5, 6), (7,))


def model(**changes: Any) -> ModelConfig:
    server = DockerServer(image="engine:1", command=("-t", "{threads}"), port=80)
    server = msgspec.structs.replace(server, **changes)
    return ModelConfig("m", "M", "m", "tgi", "tok", server)


def test_whole_cores_are_a_cpuset_without_quota() -> None:
    spec = container_spec(model(), Limits(cores=2), cores=Placement((4, 6), (0,)))
    assert (spec.cpuset, spec.quota_cores, spec.command) == ((4, 6), None, ("-t", "2"))


def test_memory_comes_from_the_nodes_of_the_cores() -> None:
    cores = Placement((20, 21), (0,), memory_nodes=(1,))
    spec = container_spec(model(), Limits(cores=2), cores=cores)
    assert spec.memory_nodes == (1,)
    assert "--cpuset-cpus 20-21 --cpuset-mems 1" in " ".join(spec.run_arguments())


def test_fractional_cores_are_a_quota_on_the_cores_that_it_takes() -> None:
    spec = container_spec(model(), Limits(cores=1.5), cores=EIGHT)
    assert (spec.cpuset, spec.quota_cores, spec.command) == ((0, 1), 1.5, ("-t", "2"))


def test_less_than_one_core_gets_one_thread() -> None:
    spec = container_spec(model(), Limits(cores=0.5), cores=EIGHT)
    assert (spec.cpuset, spec.quota_cores, spec.command) == ((0,), 0.5, ("-t", "1"))


def test_without_a_limit_the_client_keeps_its_core() -> None:
    spec = container_spec(model(), Limits(), cores=EIGHT, host_cores=8)
    assert (spec.cpuset, spec.command) == (EIGHT.server, ("-t", "7"))


def test_without_a_limit_and_without_a_free_core_nothing_is_pinned() -> None:
    shared = Placement((0, 1), (1,), "shared")
    spec = container_spec(model(), Limits(), cores=shared, host_cores=2)
    assert (spec.cpuset, spec.command) == ((), ("-t", "2"))


def test_limits_beat_the_configuration_s_own() -> None:
    config = model(cores=4, memory="8g")
    assert container_spec(config, Limits(cores=2)).memory_bytes == 8 << 30
    assert container_spec(config, Limits(memory_bytes=1 << 30)).cpuset == (0, 1, 2, 3)


def test_more_cores_than_the_run_may_use_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"needs 4 cores, this run may use 2 for the server"):
        container_spec(model(), Limits(cores=4), cores=Placement((0, 1), (1,)))


def test_swap_is_off() -> None:
    line = docker_run_line(model(), Limits(memory_bytes=512 << 20))
    assert "--memory 512m --memory-swap 512m" in line


def test_users_raise_the_slots_and_the_context_follows() -> None:
    config = model(command=("-np", "{slots}", "-c", "{context}"), context_tokens=512, slots=4)
    assert container_spec(config, Limits()).command == ("-np", "4", "-c", "2048")
    assert container_spec(config, Limits(), slots=16).command == ("-np", "16", "-c", "8192")


def test_an_unknown_placeholder_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as error:
        container_spec(model(command=("{thread}",)), Limits())
    assert str(error.value) == (
        "server.command: unknown placeholder {thread}; did you mean 'threads'? "
        "(valid: threads, port, slots, gpus, context)"
    )


def test_braces_of_json_stay() -> None:
    config = model(command=("--config", '{"level": 3, "sizes": [1, 2]}'))
    assert container_spec(config, Limits()).command[1] == '{"level": 3, "sizes": [1, 2]}'


def test_a_secret_is_in_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("NOT_SET", raising=False)
    config = model(environment=("HF_TOKEN", "NOT_SET"), settings={"OMP_NUM_THREADS": "{threads}"})
    spec = container_spec(config, Limits(cores=2))
    assert spec.environment == (("HF_TOKEN", None), ("OMP_NUM_THREADS", "2"))
    assert "-e HF_TOKEN -e OMP_NUM_THREADS=2" in docker_run_line(config, Limits(cores=2))
    assert "hf_secret" not in str(spec)


def test_volumes_are_names_folders_or_packages() -> None:
    volumes = {"weights": "/data", "~/cache": "/cache", "package:llmbench": "/code:ro"}
    mounts = dict(container_spec(model(volumes=volumes), Limits()).mounts)
    assert mounts["weights"] == "/data"
    assert mounts[str(Path("~/cache").expanduser())] == "/cache"
    assert [target for source, target in mounts.items() if source.endswith("/llmbench")] == [
        "/code:ro"
    ]


def test_a_package_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError) as error:
        container_spec(model(volumes={"package:no_such": "/m"}), Limits())
    assert str(error.value) == (
        "server.volumes: package no_such is not installed; run: pip install no-such"
    )


def test_every_setting_is_in_the_run_line() -> None:
    config = model(
        shm="1g", gpus=4, cap_add=("SYS_NICE",), entrypoint="serve", volumes={"weights": "/data"}
    )
    assert docker_run_line(config) == (
        "docker run -d --shm-size 1g --gpus 4 --cap-add SYS_NICE -p 127.0.0.1::80 "
        "-v weights:/data --entrypoint serve engine:1 -t $(nproc)"
    )


def test_gpus_are_named_as_the_docker_command_wants_it() -> None:
    def option(gpus: int | tuple[str, ...]) -> str:
        arguments = container_spec(model(gpus=gpus), Limits()).run_arguments()
        return arguments[arguments.index("--gpus") + 1]

    assert option(4) == "4"
    assert option(("1",)) == "device=1"
    assert option(("0", "GPU-aa")) == '"device=0,GPU-aa"'
    assert container_spec(model(gpus=("0", "3"), command=("{gpus}",)), Limits()).command == ("2",)


def test_what_rocm_and_gaudi_need_is_in_the_line() -> None:
    config = model(
        command=(),
        devices=("/dev/kfd", "/dev/dri"),
        group_add=("video",),
        runtime="habana",
        ipc="host",
        ulimits={"memlock": -1},
    )
    assert docker_run_line(config) == (
        "docker run -d --ulimit memlock=-1 --device /dev/kfd --device /dev/dri --group-add video "
        "--runtime habana --ipc host -p 127.0.0.1::80 engine:1"
    )
