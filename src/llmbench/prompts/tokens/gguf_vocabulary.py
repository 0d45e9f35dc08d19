"""Turns the tokenizer inside a GGUF file into one of the `tokenizers` library, without torch.

Two families are read: byte-level BPE (``tokenizer.ggml.model = gpt2``) with the
pre-tokenizers listed here, and SentencePiece BPE (``llama``). Token ids are those of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmbench.config import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

# Regular expressions of llama.cpp's llm_tokenizer_bpe (src/llama-vocab.cpp), by tokenizer.ggml.pre.
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPLITS = {"llama-bpe": _LLAMA3, "llama3": _LLAMA3, "qwen2": _QWEN2}
DIGITWISE = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
PLAIN = frozenset({"gpt-2", "phi-2", "mpt", "olmo", "jais"})


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of the GGUF file at `path`; `ConfigError` where it can't be read."""
    fields = _fields(path)
    kind = fields.get("tokenizer.ggml.model")
    builders: dict[Any, Callable[[dict[str, Any], Path], Tokenizer]] = {
        "gpt2": _byte_level,
        "llama": _sentencepiece,
    }
    if kind not in builders:
        raise ConfigError(
            f"{path}: its tokenizer is of kind {kind!r}, and only {', '.join(builders)} can be"
            " read from a GGUF file; name the model's tokenizer.json or hub id instead"
        )
    tokenizer = builders[kind](fields, path)
    _add_control_tokens(tokenizer, fields)
    return tokenizer


def _fields(path: Path) -> dict[str, Any]:
    try:
        reader = _reader()(path)
    except ImportError as error:
        raise ConfigError(
            f"{path}: reading a GGUF file's tokenizer needs the package gguf"
            " (pip install 'pytest-llmbench[embedded]')"
        ) from error
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(f"{path}: not a GGUF file that can be read: {error}") from error
    wanted = (name for name in reader.fields if name.startswith("tokenizer.ggml."))
    return {name: reader.fields[name].contents() for name in wanted}


def _reader() -> Any:
    """gguf's reader on a plain array, which takes a third of the time of its slices of a memmap."""
    import numpy as np
    from gguf import GGUFReader

    class PlainReader(GGUFReader):  # type: ignore[misc]  # gguf is not typed
        @property
        def data(self) -> Any:
            return self._data

        @data.setter
        def data(self, mapped: Any) -> None:
            self._data = mapped.view(np.ndarray)

    return PlainReader


def _byte_level(fields: dict[str, Any], path: Path) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models

    vocabulary = {token: index for index, token in enumerate(fields["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    pre = fields.get("tokenizer.ggml.pre", "default")
    model = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=SPLITS.get(pre) == _LLAMA3)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _pre_tokenizer(pre, path)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pre_tokenizer(name: str, path: Path) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if name in SPLITS:
        first = pre_tokenizers.Split(Regex(SPLITS[name]), behavior="isolated")
        return pre_tokenizers.Sequence(
            [first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name in DIGITWISE:
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, gpt2])
    if name in PLAIN:
        return gpt2
    readable = ", ".join(sorted({*SPLITS, *DIGITWISE, *PLAIN}))
    raise ConfigError(
        f"{path}: its pre-tokenizer {name!r} is not known here (known: {readable});"
        " name the model's tokenizer.json or hub id instead"
    )


def _sentencepiece(fields: dict[str, Any], path: Path) -> Tokenizer:
    """LLaMA's SentencePiece BPE: merges follow from scores, unknown characters become bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    tokens: Sequence[str] = fields["tokenizer.ggml.tokens"]
    scores: Sequence[float] = fields["tokenizer.ggml.scores"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    unknown = tokens[fields.get("tokenizer.ggml.unknown_token_id", 0)]
    model = models.BPE(
        vocab=vocabulary,
        merges=_merges(vocabulary, scores),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    prefix = (
        [normalizers.Prepend("▁")] if fields.get("tokenizer.ggml.add_space_prefix", True) else []
    )
    tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def _merges(vocabulary: dict[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Every way to make a piece out of two others, the best piece first.

    SentencePiece merges the pair whose result has the highest score, and a list of merges in
    that order does the same. `transformers` converts such models in this way too
    (``generate_merges``).
    """
    ranked: list[tuple[float, int, int, str, str]] = []
    for piece, index in vocabulary.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary:
                ranked.append((-scores[index], vocabulary[left], vocabulary[right], left, right))
    return [(left, right) for *_, left, right in sorted(ranked)]


def _add_control_tokens(tokenizer: Tokenizer, fields: dict[str, Any]) -> None:
    """Make the file's control tokens special; its user-defined tokens become whole words."""
    from tokenizers import AddedToken

    kinds = fields.get("tokenizer.ggml.token_type", ())
    tokens = fields["tokenizer.ggml.tokens"]
    by_kind = list(zip(tokens, kinds, strict=False))
    specials = [token for token, kind in by_kind if kind in (UNKNOWN, CONTROL)]
    words = [token for token, kind in by_kind if kind == USER_DEFINED]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in words])
