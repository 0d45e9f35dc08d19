"""The instructions of a processor, and those that an engine says it uses."""

from pathlib import Path

from llmbench.servers.instructions import cpu_instructions, engine_instructions, unused

ZEN4 = "processor\t: 0\nflags\t\t: fpu sse2 avx2 avx_vnni avx512f avx512_vnni avx512_bf16 clzero\n"
GRAVITON3 = "processor : 0\nFeatures : fp asimd asimddp sve i8mm bf16\n"
INFO = (
    "system_info: n_threads = 2 | CPU : SSE3 = 1 | AVX2 = 1 | FMA = 1 | AVX512 = 0 | REPACK = 1 |"
)


def test_a_processor_s_are_the_kernel_s_flags(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(ZEN4, encoding="utf-8")
    assert cpu_instructions(file) == (
        "AVX2",
        "AVX-VNNI",
        "AVX-512",
        "AVX-512 VNNI",
        "AVX-512 BF16",
    )
    file.write_text(GRAVITON3, encoding="utf-8")
    assert cpu_instructions(file) == ("NEON", "dot product", "I8MM", "SVE")
    assert cpu_instructions(tmp_path / "none") == ()


def test_an_engine_s_are_in_its_log() -> None:
    assert engine_instructions(f"loading\n{INFO}\nlistening\n") == ("AVX2",)
    assert engine_instructions("listening\n") is None


def test_what_an_engine_leaves_unused() -> None:
    cpu = ("AVX2", "AVX-VNNI", "AVX-512", "AVX-512 VNNI")
    assert unused(cpu, ("AVX2",)) == ("AVX-VNNI", "AVX-512", "AVX-512 VNNI")
    assert unused(cpu, ("AVX2", "AVX-512", "AVX-512 VNNI")) == ()  # the wider ones do the same
    assert unused(cpu, None) == ()
