"""The tokenizer whose count is the length of a prompt. Special tokens are never counted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.config import ConfigError
from llmbench.packages import SCHEME, file_in, package_folders, split_name
from llmbench.prompts.tokens.gguf_vocabulary import read_tokenizer
from llmbench.store import replace_file

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as FastTokenizer

_FEWEST_WORDS = 64  # of 64 words even a thousand prompts of two tokens can all differ
_HEAD_BYTES = 16 * 2**20  # all of a GGUF file's metadata, which precede its weights


class Tokenizer:
    """Counts tokens in batches and knows which strings are special.

    `name` is the name that it was loaded by; `sha256` is the hash of its whole definition.
    """

    def __init__(self, name: str, fast: FastTokenizer) -> None:
        fast.no_truncation()
        fast.no_padding()
        self.name = name
        self.fast = fast
        self.sha256 = hashlib.sha256(fast.to_str().encode()).hexdigest()

    @property
    def specials(self) -> tuple[str, ...]:
        """The strings that the tokenizer turns into special tokens."""
        added = self.fast.get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        batch = self.fast.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in batch]

    def encodings(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of each text with their positions in it."""
        return self.fast.encode_batch(list(texts), add_special_tokens=False)

    def words(self) -> list[str]:
        """Words that are one token each after a space; single letters where there are too few."""
        plain = sorted({p.lstrip("Ġ▁ ") for p in self.fast.get_vocab() if p[:1] in "Ġ▁ "})
        words = [word for word in plain if re.fullmatch(r"[a-z]{3,12}", word)]
        counts = self.lengths(["a", *(f"a {word}" for word in words)])
        single = [w for w, count in zip(words, counts[1:], strict=True) if count == counts[0] + 1]
        return single if len(single) >= _FEWEST_WORDS else list("abcdefghijklmnopqrstuvwxyz")

    def cut(self, drafts: Sequence[str], length: int) -> list[str]:
        """The drafts, cut to exactly `length` tokens; those that a new encoding refutes are
        dropped."""
        cut = []
        for text, encoding in zip(drafts, self.encodings(drafts), strict=True):
            place = encoding.token_to_chars(length - 1) if len(encoding) >= length else None
            if place is not None:
                cut.append(text[: place[1]])
        counts = self.lengths(cut)
        return [text for text, count in zip(cut, counts, strict=True) if count == length]


def load(name: str, cache: Path | None = None) -> Tokenizer:
    """Load the tokenizer that `name` stands for (see `find`); `ConfigError` where that fails.

    A GGUF file, which takes long to read, is kept as ``tokenizer.json`` in the folder `cache`.
    """
    path = find(name)
    if path is None:
        return Tokenizer(name, _from_hub(name))
    if path.suffix == ".gguf":
        return Tokenizer(name, _from_gguf(path, cache))
    if path.is_dir() and not (path / "tokenizer.json").is_file():
        return Tokenizer(name, _from_transformers(str(path), None, name))
    return Tokenizer(name, _from_json(path / "tokenizer.json" if path.is_dir() else path))


def find(name: str) -> Path | None:
    """The file or folder that `name` stands for; None where it is a hub id.

    `name` is a folder, a ``tokenizer.json``, a ``.gguf`` file, ``package:NAME/FILE`` for a
    file inside an installed package, or a hub id, ``NAME/REPO`` or ``NAME/REPO@REVISION``.
    """
    if name.startswith(SCHEME):
        return package_file(name)
    path = Path(name).expanduser()
    if path.exists():
        return path
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?", name) and path.suffix not in {
        ".gguf",
        ".json",
    }:
        return None
    raise ConfigError(f"tokenizer {name!r}: no such file or folder, and not a hub id either")


def package_file(name: str) -> Path:
    """The file that ``package:NAME/FILE`` stands for; the package is not imported."""
    package, inside = split_name(name)
    folders = package_folders(package)
    if not folders:
        raise ConfigError(f"{name}: no package {package!r} is installed in this environment")
    path = file_in(folders, inside)
    if path is None:
        raise ConfigError(
            f"{name}: the package {package!r} is installed, but has no file {inside!r}"
        )
    return path


def fingerprint(name: str) -> str:
    """A hash that changes whenever the tokenizer of this name does; the tokenizer isn't loaded.

    For files it covers their content (the head of a GGUF file), for a hub id the id and revision.
    """
    path = find(name)
    digest = hashlib.sha256()
    if path is None:
        digest.update(f"hub:{name}".encode())
    for file in _files(path):
        with file.open("rb") as content:
            digest.update(f"{file.name}:{file.stat().st_size}:".encode())
            digest.update(content.read(_HEAD_BYTES))
    return digest.hexdigest()


def _files(path: Path | None) -> Iterator[Path]:
    """The files that define the tokenizer at `path`."""
    if path is None:
        return
    if path.is_file():
        yield path
        return
    names = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json")
    yield from sorted({file for name in names for file in path.glob(name) if file.is_file()})


def _from_json(path: Path) -> FastTokenizer:
    from tokenizers import Tokenizer as FastTokenizer

    try:
        return FastTokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ConfigError(f"{path}: not a tokenizer.json that can be read: {error}") from error


def _from_gguf(path: Path, cache: Path | None) -> FastTokenizer:
    kept = cache / "tokenizer.json" if cache else None
    if kept is not None and kept.is_file():
        return _from_json(kept)
    fast = read_tokenizer(path)
    if kept is not None:
        replace_file(kept, fast.to_str().encode())
    return fast


def _from_hub(name: str) -> FastTokenizer:
    repository, _, revision = name.partition("@")
    return _from_transformers(repository, revision or None, name)


def _from_transformers(where: str, revision: str | None, name: str) -> FastTokenizer:
    """Load with `transformers.AutoTokenizer`; its errors (gated, unknown, offline) get one line."""
    import logging

    logging.getLogger("transformers").addFilter(lambda r: "PyTorch was not found" not in r.msg)
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(where, revision=revision)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"tokenizer {name!r}: can't be loaded: {reason} (a gated model needs HF_TOKEN; without"
            " network name a folder or a tokenizer.json)"
        ) from error
    fast: FastTokenizer | None = getattr(loaded, "backend_tokenizer", None)
    if fast is None:
        raise ConfigError(
            f"tokenizer {name!r}: {type(loaded).__name__} is not backed by the tokenizers library;"
            " name a folder that holds its tokenizer.json"
        )
    return fast
