"""Energy by a tree laid out as /sys/class/powercap is, and the reasons why it is not known."""

from pathlib import Path

import pytest

from llmbench.servers.energy import EnergyMeter, Idle, domains, energy_meter, energy_unknown

RANGE_UJ = 262_143_328_850
"""Where these counters begin again: two packages, each with its memory."""


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    tree = tmp_path / "powercap"
    names = {
        "intel-rapl": None,
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:1:0": "dram",
    }
    for folder, name in names.items():
        (tree / folder).mkdir(parents=True)
        if name is not None:
            (tree / folder / "name").write_text(f"{name}\n")
            (tree / folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            (tree / folder / "energy_uj").write_text("1000000\n")
    (tree / "intel-rapl-mmio:0").mkdir()  # the same package once more
    (tree / "intel-rapl-mmio:0" / "name").write_text("package-0\n")
    return tree


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "cpuinfo").write_text("processor : 0\nflags : fpu vme sse\n")
    (folder / "stat").write_text("cpu  100 0 50 8000 50 0 0 0 0 0\ncpu0 1 2\n")
    return folder


def count(powercap: Path, folder: str, energy_uj: int) -> None:
    (powercap / folder / "energy_uj").write_text(f"{energy_uj}\n")


def test_packages_and_memories_are_counted_once(powercap: Path) -> None:
    assert [d.name for d in domains(powercap)] == ["package-0", "dram", "package-1", "dram"]


def test_a_meter_sums_packages_and_memories(powercap: Path) -> None:
    meter = EnergyMeter(domains(powercap), Idle(30.0, 0.0))
    count(powercap, "intel-rapl:0", 3_500_000)
    count(powercap, "intel-rapl:1", 2_000_000)
    count(powercap, "intel-rapl:1:0", 1_250_000)
    assert meter.joules() == (3.5, 0.25)


def test_a_counter_that_begins_again_is_counted_on(powercap: Path) -> None:
    count(powercap, "intel-rapl:0", RANGE_UJ - 1_000_000)
    meter = EnergyMeter(domains(powercap), Idle(30.0, 0.0))
    count(powercap, "intel-rapl:0", 2_000_000)
    assert meter.joules() == (3.0, 0.0)
    count(powercap, "intel-rapl:0", 5_000_000)
    assert meter.joules() == (6.0, 0.0)


def test_a_processor_without_a_counter_of_memory_tells_packages_alone(powercap: Path) -> None:
    for folder in ("intel-rapl:0:0", "intel-rapl:1:0"):
        (powercap / folder / "name").write_text("core\n")
    assert EnergyMeter(domains(powercap), Idle(0.0, 0.0)).joules() == (0.0, None)


def test_energy_is_known_on_a_physical_host(powercap: Path, proc: Path, tmp_path: Path) -> None:
    assert energy_unknown(powercap, proc, tmp_path) is None


def test_energy_is_not_known_in_a_virtual_machine(
    powercap: Path, proc: Path, tmp_path: Path
) -> None:
    (proc / "cpuinfo").write_text("flags : fpu hypervisor sse\n")
    reason = "this is a virtual machine, and RAPL counts its whole host"
    assert energy_unknown(powercap, proc, tmp_path) == reason


def test_energy_is_not_known_in_a_container(powercap: Path, proc: Path, tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    reason = "this is a container, and RAPL counts its whole host"
    assert energy_unknown(powercap, proc, tmp_path) == reason


def test_energy_is_not_known_without_counters(proc: Path, tmp_path: Path) -> None:
    reason = f"the kernel shows no RAPL package in {tmp_path}"
    assert energy_unknown(tmp_path, proc, tmp_path) == reason


def test_a_counter_that_only_root_reads_is_named(
    powercap: Path, proc: Path, tmp_path: Path
) -> None:
    closed = powercap / "intel-rapl:1" / "energy_uj"
    closed.unlink()
    reason = f"{closed} can't be read (most systems let only root)"
    assert energy_unknown(powercap, proc, tmp_path) == reason


def test_the_idle_power_is_measured_before_the_launch(
    powercap: Path, proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(seconds: float) -> None:
        count(powercap, "intel-rapl:0", 61_000_000)
        now_s[0] += seconds

    now_s = [100.0]
    monkeypatch.setattr("llmbench.servers.energy.time.sleep", sleep)
    monkeypatch.setattr("llmbench.servers.energy.time.monotonic", lambda: now_s[0])
    meter = energy_meter(print, powercap=powercap, proc=proc, root=tmp_path)
    assert meter is not None
    assert meter.idle == Idle(30.0, 0.0)


def test_energy_is_not_known_where_others_work(
    powercap: Path, proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "llmbench.servers.energy.time.sleep",
        lambda _: (proc / "stat").write_text("cpu  140 0 50 8060 50 0 0 0 0 0\n"),
    )
    assert energy_meter(said.append, powercap=powercap, proc=proc, root=tmp_path) is None
    assert said == [
        "energy: not known: before the launch, others kept 40 % of this host's cores busy, and "
        "RAPL counts theirs too"
    ]
