"""Whether several runs tell of one server on one host, as a twin is of one."""

from collections.abc import Collection, Sequence

from llmbench import verdict
from llmbench.config import ConfigError
from llmbench.store import RunDir

TOLD_SLOTS = "props.total_slots"
"""Where llama.cpp's server tells its slots."""


_OF_A_LOAD = {"seed", "prompts", "shape", "warmup", "workers"}
"""What may differ, as each repeat is played with its own load."""


def check_same_server(runs: Sequence[RunDir], config_name: str) -> None:
    """Refuse runs of this configuration that may not be pooled, and say what differs."""
    first, *others = runs
    texts, cells = _told(first, config_name)
    for other in others:
        of_other, others_cells = _told(other, config_name)
        differ = verdict.fingerprint_differences(texts, of_other, sorted(cells & others_cells))
        refused = [text for text in differ.refused if _key(text) not in _OF_A_LOAD]
        if refused:
            raise ConfigError(
                f"{other.path}: not of the server and the host of {first.path}, and a twin is of "
                f"one: {'; '.join(refused)}"
            )


def _key(difference: str) -> str:
    """The last word of the name of what differs."""
    return difference.partition(": ")[0].rpartition(".")[2]


def _told(run: RunDir, config_name: str) -> tuple[dict[str, str], set[str]]:
    """What must be the same for two runs of this configuration, and its cells."""
    mine = [one for one in run.cell_runs() if one.cell.config_name == config_name]
    return verdict.fingerprint(run.info(), mine), {one.cell_id for one in mine}


def slots_it_tells(runs: Sequence[RunDir], cell_ids: Collection[str]) -> int | None:
    """How many requests the engine runs at a time, as llama.cpp's server tells."""
    told = {
        one.endpoint.launch.server_info.get(TOLD_SLOTS): run.path
        for run in runs
        for one in run.cell_runs()
        if one.cell_id in cell_ids
    }
    if len(told) > 1:
        words = " and ".join(f"{slots} in {path}" for slots, path in told.items())
        raise ConfigError(
            f"the server has other slots in each run ({words}), as they follow the greatest number "
            "of users; give it `slots` in its TOML, and measure anew"
        )
    slots = next(iter(told), None)
    return slots if isinstance(slots, int) else None
