"""Chooses the GPUs that a server gets, by number, by name, and by CUDA_VISIBLE_DEVICES."""

import os
from collections.abc import Sequence

from llmbench.config import ConfigError
from llmbench.servers.gpus.nvml import Gpu, gpus_here

VISIBLE = "CUDA_VISIBLE_DEVICES"


def candidates(wanted: int | Sequence[str]) -> tuple[Gpu, ...]:
    """The GPUs of this host that may serve: those named, or for a number all that are visible.

    `ConfigError` says that they are too few, or that one that is named isn't here.
    """
    present = gpus_here()
    if not isinstance(wanted, int):
        return tuple(_named(word, present) for word in wanted)
    visible = visible_gpus(present, os.environ.get(VISIBLE))
    if len(visible) < wanted:
        hidden = f" that {VISIBLE} leaves" if len(visible) < len(present) else ""
        raise ConfigError(
            f"needs {wanted} GPU{'s' * (wanted > 1)}, this host has {len(visible)}{hidden}"
        )
    return visible


def visible_gpus(present: Sequence[Gpu], text: str | None) -> tuple[Gpu, ...]:
    """The GPUs that ``CUDA_VISIBLE_DEVICES=text`` leaves, in its order (None: not set, all).

    As CUDA does, it reads up to the first word that names none: ``-1`` or nothing hides all.
    """
    if text is None:
        return tuple(present)
    visible: list[Gpu] = []
    for word in text.split(","):
        gpu = find_gpu(word.strip(), present)
        if gpu is None:
            break
        visible.append(gpu)
    return tuple(dict.fromkeys(visible))


def find_gpu(word: str, present: Sequence[Gpu]) -> Gpu | None:
    """The GPU with that number, or the only one whose UUID begins so.

    Of a GPU that is divided by MIG the number means the first instance, since CUDA shows one only.
    An instance also has the name that it had before driver 470: ``MIG-GPU-…/1/0``.
    """
    if word.isdigit():
        return next((gpu for gpu in present if gpu.index == int(word)), None)
    if word.startswith("MIG-GPU-"):
        return next((g for g in present if word in (g.uuid, f"MIG-{g.whole}/{g.mig}")), None)
    found = [gpu for gpu in present if word and gpu.uuid is not None and gpu.uuid.startswith(word)]
    return found[0] if len(found) == 1 else None


def _named(word: str, present: Sequence[Gpu]) -> Gpu:
    parts = [gpu for gpu in present if gpu.whole is not None and _is_whole(word, gpu)]
    if parts:
        names = ", ".join(str(gpu.uuid) for gpu in parts)
        raise ConfigError(f"needs GPU {word}, which is divided by MIG: name an instance: {names}")
    gpu = find_gpu(word, present)
    if gpu is None:
        names = ", ".join(f"{g.index}{f' ({g.uuid})' * bool(g.uuid)}" for g in present)
        raise ConfigError(f"needs GPU {word}, this host has {names or 'none'}")
    return gpu


def _is_whole(word: str, part: Gpu) -> bool:
    """Whether `word` names the GPU that `part` is an instance of."""
    return word == str(part.index) or (word.startswith("GPU-") and str(part.whole).startswith(word))
