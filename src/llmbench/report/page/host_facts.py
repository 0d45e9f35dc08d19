"""What the page says about the host: all that its numbers may depend on, and that is known."""

from collections.abc import Iterator, Mapping
from typing import Any

from llmbench.report.numbers import plural, size
from llmbench.report.read import RunData


def host_facts(data: RunData) -> list[tuple[str, str]]:
    """The rows of the table about the host, with what each engine says it uses of it."""
    host = data.info.host
    return [*_processor(host), *_settings(host), *_engines(data)]


def _processor(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    topology = host.get("topology", {})
    yield "processor", str(host.get("cpu", "unknown"))
    if topology:
        slow = topology["efficiency_cores"]
        parts = [
            plural(topology["sockets"], "socket"),
            plural(topology["cores"], "core")
            + (f", of which {slow} for efficiency" if slow else ""),
            f"SMT with {topology['threads']} threads" if topology["smt"] else "no SMT",
        ]
        yield "cores", f"{', '.join(parts)}; {host.get('cores', '?')} usable by this run"
        clusters = topology["nodes_per_socket"]
        nodes = "; ".join(f"{node}: {cpus}" for node, cpus in topology["numa_nodes"].items())
        split = f" ({clusters} for each socket: SNC or NPS is on)" if clusters > 1 else ""
        yield "NUMA nodes", f"{nodes}{split}"
    if host.get("instructions"):
        yield "instructions", ", ".join(host["instructions"])


def _settings(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    speed = host.get("memory_speed")
    yield "memory", size(host.get("memory_bytes")) + (f", {speed}" if speed else "")
    frequency = [
        f"governor {host['governor']}" if "governor" in host else "",
        f"up to {host['most_mhz']} MHz" if "most_mhz" in host else "",
        f"turbo {'on' if host['turbo'] else 'off'}" if "turbo" in host else "",
    ]
    yield "frequency", ", ".join(filter(None, frequency)) or "not told"
    if "energy_unknown" in host:
        yield "energy of the CPU", f"not known: {host['energy_unknown']}"
    if "huge_pages" in host:
        yield "huge pages", str(host["huge_pages"])
    if "topology" in host:
        machine = host.get("hypervisor")
        yield "machine", "physical" if machine is None else f"virtual, {machine}"
    drivers = ", ".join(f"{name} {version}" for name, version in host.get("drivers", {}).items())
    if host.get("gpus") or drivers:
        yield "GPUs", "; ".join(filter(None, [", ".join(host.get("gpus", [])), drivers]))
    yield (
        "system",
        f"{host.get('system', '')} {host.get('kernel', '')}, Python {host.get('python')}",
    )


def _engines(data: RunData) -> Iterator[tuple[str, str]]:
    """A row for each model whose engine told what it uses."""
    shown = set()
    for run in data.cell_runs:
        launch, model = run.endpoint.launch, run.cell.model
        if launch.instructions is None or model in shown:
            continue
        shown.add(model)
        used = ", ".join(launch.instructions) or "none of these"
        spare = ", ".join(launch.unused_instructions)
        yield f"{model} uses", used + (f"; the processor also has {spare}" if spare else "")
