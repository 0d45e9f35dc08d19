"""What run.json says of the host's hardware."""

from pathlib import Path

from llmbench.bench.hardware import describe_hardware, speed_of_modules, topology_of
from tests.servers.placement.hosts import HYBRID, NO_SMT, SAPPHIRE_RAPIDS_SNC4

DMIDECODE = """
Memory Device
\tSpeed: 4800 MT/s
\tConfigured Memory Speed: 4400 MT/s
Memory Device
\tConfigured Memory Speed: 4400 MT/s
Memory Device
\tConfigured Memory Speed: Unknown
"""


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def test_clusters_of_a_socket_are_told() -> None:
    told = topology_of(SAPPHIRE_RAPIDS_SNC4.topology)
    assert (told["sockets"], told["cores"], told["threads"], told["smt"]) == (2, 112, 224, True)
    assert told["nodes_per_socket"] == 4
    assert told["numa_nodes"]["7"] == "98-111,210-223"


def test_efficiency_cores_are_counted() -> None:
    assert topology_of(HYBRID.topology)["efficiency_cores"] == 8
    assert topology_of(NO_SMT.topology)["smt"] is False


def test_a_physical_host(tmp_path: Path) -> None:
    cpu = "sys__devices__system__cpu__"
    write(
        tmp_path,
        proc__cpuinfo="flags : fpu avx2 amx_int8",
        proc__sys__vm__nr_hugepages="512",
        proc__driver__nvidia__version="NVRM version: NVIDIA Kernel Module  550.54.15  Mon",
        sys__kernel__mm__transparent_hugepage__enabled="always [madvise] never",
        **{
            f"{cpu}cpu0__cpufreq__scaling_governor": "powersave",
            f"{cpu}cpu0__cpufreq__cpuinfo_max_freq": "3800000",
            f"{cpu}intel_pstate__no_turbo": "1",
        },
    )
    assert describe_hardware(tmp_path) == {
        "instructions": ["AVX2", "AMX INT8"],
        "governor": "powersave",
        "most_mhz": 3800,
        "turbo": False,
        "huge_pages": "transparent: madvise, 512 reserved",
        "drivers": {"nvidia": "550.54.15"},
    }


def test_a_virtual_machine(tmp_path: Path) -> None:
    write(
        tmp_path,
        proc__cpuinfo="flags : fpu hypervisor",
        sys__class__dmi__id__sys_vendor="Amazon EC2",
        sys__class__dmi__id__product_name="m7i.8xlarge",
    )
    assert describe_hardware(tmp_path) == {"hypervisor": "Amazon EC2 m7i.8xlarge"}


def test_nothing_is_told_where_nothing_is_known(tmp_path: Path) -> None:
    assert describe_hardware(tmp_path) == {}


def test_the_speed_of_memory_is_the_configured_one() -> None:
    assert speed_of_modules(DMIDECODE) == "2 x 4400 MT/s"
    assert speed_of_modules("no module") is None
