"""What the page says about the host."""

from pathlib import Path
from typing import Any

import msgspec

from llmbench.bench.hardware import topology_of
from llmbench.report.page.host_facts import host_facts
from llmbench.report.read import read_run
from llmbench.store import RunDir
from tests.report.synthetic import grid, write_run
from tests.servers.placement.hosts import HYBRID, SAPPHIRE_RAPIDS_SNC4

BASICS = {"cpu": "Xeon", "cores": 64, "memory_bytes": 256 << 30, "python": "3.12.1"}


def rows(path: Path, **host: Any) -> dict[str, str]:
    run = write_run(path, [], host=BASICS | {"system": "Linux", "kernel": "6.8"} | host)
    return dict(host_facts(read_run(run)))


def test_a_large_host_in_full(tmp_path: Path) -> None:
    told = rows(
        tmp_path / "run",
        topology=topology_of(SAPPHIRE_RAPIDS_SNC4.topology),
        instructions=["AVX2", "AVX-512", "AMX INT8"],
        governor="performance",
        most_mhz=3800,
        turbo=True,
        huge_pages="transparent: madvise",
        memory_speed="16 x 4800 MT/s",
        gpus=["H100"],
        drivers={"nvidia": "550.54.15"},
    )
    assert told.pop("NUMA nodes").endswith("(4 for each socket: SNC or NPS is on)")
    assert told == {
        "processor": "Xeon",
        "cores": "2 sockets, 112 cores, SMT with 224 threads; 64 usable by this run",
        "instructions": "AVX2, AVX-512, AMX INT8",
        "memory": "256 GiB, 16 x 4800 MT/s",
        "frequency": "governor performance, up to 3800 MHz, turbo on",
        "huge pages": "transparent: madvise",
        "machine": "physical",
        "GPUs": "H100; nvidia 550.54.15",
        "system": "Linux 6.8, Python 3.12.1",
    }


def test_a_hybrid_processor_in_a_virtual_machine(tmp_path: Path) -> None:
    told = rows(tmp_path / "run", topology=topology_of(HYBRID.topology), hypervisor="QEMU")
    assert told["cores"].startswith("1 socket, 16 cores, of which 8 for efficiency, SMT with 24")
    assert told["machine"] == "virtual, QEMU"


def test_a_run_of_0_1_0_says_what_it_knows(tmp_path: Path) -> None:
    assert rows(tmp_path / "run") == {
        "processor": "Xeon",
        "memory": "256 GiB",
        "frequency": "not told",
        "system": "Linux 6.8, Python 3.12.1",
    }


def test_what_the_engine_uses_of_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", grid(users=(1,)))
    assert not any(name.endswith(" uses") for name, _ in host_facts(read_run(run)))
    told = dict(host_facts(read_run(engine_says(run, ("AVX2",), ("AVX-512",)))))
    assert told["tiny uses"] == "AVX2; the processor also has AVX-512"


def engine_says(run: RunDir, used: tuple[str, ...], spare: tuple[str, ...]) -> RunDir:
    """The same run, whose server said what it uses."""
    (cell,) = run.cell_runs()
    replace = msgspec.structs.replace
    launch = replace(cell.endpoint.launch, instructions=used, unused_instructions=spare)
    (run.path / "journal" / "cells.jsonl").unlink()
    run.append_cell_run(replace(cell, endpoint=replace(cell.endpoint, launch=launch)))
    return run
