"""The folder of prompt files that a run takes its prompts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmbench.config import ConfigError
from llmbench.prompts import prompt_files as files
from llmbench.prompts.prompt_files import Manifest, PromptFile
from llmbench.records import Prompt


class Library:
    """The prompts in a folder with a manifest, by length in tokens; each file is read once."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._read: dict[int, tuple[Prompt, ...]] = {}

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the prompts that the folder holds, in tokens."""
        return tuple(sorted(map(int, self.manifest.files)))

    def take(self, tokens: int) -> tuple[Prompt, ...]:
        """All prompts of a length; a `ConfigError` for another length lists those there are."""
        if tokens not in self._read:
            self._read[tokens] = files.read(self.folder / self._entry(tokens).file)
        return self._read[tokens]

    def sha256(self, tokens: int) -> str:
        """The hash of the file that holds the prompts of a length."""
        return self._entry(tokens).sha256

    def is_synthetic(self, tokens: int) -> bool:
        """Whether the prompts of a length were made up."""
        return self._entry(tokens).kind == "synthetic"

    def describe(self) -> dict[str, Any]:
        """What the prompts are and where they come from, for ``run.json``.

        `kind` is ``synthetic`` as soon as the prompts of one length are, else ``real``.
        """
        entries = [self._entry(tokens) for tokens in self.lengths]
        return {
            "kind": max((entry.kind for entry in entries), default="real"),
            "source": ", ".join(sorted({str(entry.pinned) for entry in entries})),
            "tokenizer": self.manifest.tokenizer,
            "tokenizer_sha256": self.manifest.tokenizer_sha256,
            "seed": ", ".join(sorted({str(entry.seed) for entry in entries})),
            "folder": str(self.folder),
            "lengths": {
                str(entry.tokens): {
                    "kind": entry.kind,
                    "prompts": entry.prompts,
                    "trimmed": entry.trimmed,
                    "wanted": entry.wanted,
                    "tolerance": entry.tolerance,
                    "sha256": entry.sha256,
                }
                for entry in entries
            },
        }

    def _entry(self, tokens: int) -> PromptFile:
        entry = self.manifest.files.get(str(tokens))
        if entry is None:
            lengths = ", ".join(map(str, self.lengths)) or "none"
            raise ConfigError(
                f"{self.folder}: no prompts of {tokens} tokens (there are: {lengths}); have them"
                " built with llmbench prompts"
            )
        return entry
