"""The vector instructions that a processor has, and those that an engine says it uses."""

import re
from pathlib import Path

KINDS = {
    # what reports call it: the kernel's flag, and the name in llama.cpp's system_info
    "AVX2": ("avx2", "AVX2"),
    "AVX-VNNI": ("avx_vnni", "AVX_VNNI"),
    "AVX-512": ("avx512f", "AVX512"),
    "AVX-512 VNNI": ("avx512_vnni", "AVX512_VNNI"),
    "AVX-512 BF16": ("avx512_bf16", "AVX512_BF16"),
    "AMX INT8": ("amx_int8", "AMX_INT8"),
    "AMX BF16": ("amx_bf16", "AMX_BF16"),
    "NEON": ("asimd", "NEON"),
    "dot product": ("asimddp", "DOTPROD"),
    "I8MM": ("i8mm", "MATMUL_INT8"),
    "SVE": ("sve", "SVE"),
}
IN_OTHER_WORDS = {"AVX-VNNI": "AVX-512 VNNI"}
"""What an engine that uses the second does not need the first for."""

SYSTEM_INFO = re.compile(r"system_info:.*")
START_BYTES = 1 << 18
"""The part of a log, from its beginning, in which an engine says what it uses."""


def cpu_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Those of `KINDS` that the kernel lists for this host's processor."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return ()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    return tuple(name for name, (flag, _) in KINDS.items() if flag in flags)


def engine_instructions(log: str) -> tuple[str, ...] | None:
    """Those that llama.cpp says it uses, in its ``system_info`` line; None where there is none."""
    line = SYSTEM_INFO.search(log)
    if line is None:
        return None
    used = set(re.findall(r"(\w+) = 1\b", line[0]))
    return tuple(name for name, (_, word) in KINDS.items() if word in used)


def instructions_in(log_file: Path) -> tuple[str, ...] | None:
    """The same, of an engine's log file."""
    try:
        with log_file.open("rb") as file:
            return engine_instructions(file.read(START_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None


def unused(cpu: tuple[str, ...], engine: tuple[str, ...] | None) -> tuple[str, ...]:
    """Those of the processor that an engine doesn't say it uses; none where it says nothing."""
    if engine is None:
        return ()
    spare = [name for name in cpu if name not in engine]
    return tuple(name for name in spare if IN_OTHER_WORDS.get(name) not in engine)
