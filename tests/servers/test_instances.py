"""Several instances as one server."""

from typing import Any

from msgspec import structs

from llmbench.config import ModelConfig, RemoteServer, SimulatedServer
from llmbench.records import GpuSample, ResourceSample
from llmbench.servers.instances import numbered, total

CONFIG = ModelConfig("m", "M", "m", "tgi", "none", SimulatedServer())
GPUS = (GpuSample(0), GpuSample(1))


def sample(time_ns: int, **known: Any) -> ResourceSample:
    return ResourceSample(time_ns, "m-1", None, None, 50.0, 100, **known)


def test_what_instances_use_adds_up_and_shares_are_means() -> None:
    used = total(
        "m",
        [
            sample(
                1, cpu_limit_cores=2.0, throttled_ns=10, gpu_percent=90.0, pids=3, gpus=GPUS[:1]
            ),
            sample(2, cpu_limit_cores=2.0, throttled_ns=30, gpu_percent=70.0, gpus=GPUS[1:]),
        ],
    )
    assert (used.target, used.time_ns, used.cpu_percent, used.memory_bytes) == ("m", 2, 100.0, 200)
    assert (used.cpu_limit_cores, used.throttled_ns, used.gpu_percent) == (4.0, 20, 80.0)
    assert used.pids is None  # of one it is not known
    assert used.gpus == GPUS


def test_one_instance_keeps_its_name() -> None:
    assert numbered(CONFIG, 1) == [CONFIG]
    assert [one.name for one in numbered(CONFIG, 3)] == ["m-1", "m-2", "m-3"]


def test_each_replica_has_its_url() -> None:
    remote = structs.replace(CONFIG, server=RemoteServer("http://a", ("http://b",)))
    assert [one.server for one in numbered(remote, 2)] == [
        RemoteServer("http://a"),
        RemoteServer("http://b"),
    ]
