"""Holds the prompt libraries of a session, one for each tokenizer, built when first needed."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from llmbench.config import Server
from llmbench.prompts import (
    CountedElsewhere,
    Library,
    Tokenizer,
    ensure,
    folder_name,
    load,
    material_of,
    parse_source,
)
from llmbench.records import Prompt
from llmbench.traffic import (
    Material,
    Mix,
    Mixed,
    Prefixes,
    PromptsOfLength,
    SharedPrefix,
    Traffic,
)

PROMPT_SEED = 1
"""The seed with which prompts are chosen from their source; ``llmbench prompts`` uses it too."""


class Texts(Struct, frozen=True):
    """What the requests of a cell say: prompts of its lengths, or the material of its traffic."""

    prompts: tuple[Prompt, ...]
    sha256: str
    synthetic: bool
    material: Material | None = None


def texts_of(library: Library, lengths: Sequence[int]) -> Texts:
    """The prompts of these lengths."""
    return Texts(
        tuple(prompt for tokens in lengths for prompt in library.take(tokens)),
        " ".join(library.sha256(tokens) for tokens in lengths),
        any(map(library.is_synthetic, lengths)),
    )


def context_of(server: Server) -> int | None:
    """The longest context of a request, in tokens; None where the configuration doesn't say."""
    return getattr(server, "context_tokens", None)


def _sha256(traffic: Traffic, material: Material) -> str:
    """A hash of what is sent and how; shared prefixes differ in each repeat, so not of these."""
    parts = material.parts if isinstance(material, Mixed) else (material,)
    lasting = [() if isinstance(part, Prefixes) else part for part in parts]
    sent = lasting if isinstance(material, Mixed) else lasting[0]
    asked = msgspec.to_builtins(traffic)
    for one in (asked, *(one["traffic"] for one in asked.get("classes", ()))):
        one.pop("file", None)  # its content counts, not its place
        if one.get("hang_ups", 0) is None:
            del one["hang_ups"]
    return hashlib.sha256(msgspec.json.encode((asked, sent), order="sorted")).hexdigest()


def _is_renewed(traffic: Traffic) -> bool:
    """Whether each repeat has texts of its own."""
    if isinstance(traffic, Mix):
        return any(_is_renewed(one.traffic) for one in traffic.classes)
    return isinstance(traffic, SharedPrefix)


class Shelf:
    """Prompt libraries under `folder`, made from `source` with a seed of their own.

    That seed is fixed, as files that stay the same keep runs comparable. A run's own seed decides
    which of the prompts are sent when.

    `source` is a hub dataset, a file or ``package:NAME``; ``None`` takes what is available.
    `elsewhere` are the tokenizers that can't be loaded here, which count by other means.
    """

    def __init__(
        self,
        folder: Path,
        source: str | None,
        say: Callable[[str], None],
        elsewhere: Sequence[CountedElsewhere] = (),
    ) -> None:
        self._folder, self._source, self._say = folder, source, say
        self._elsewhere = {tokenizer.name: tokenizer for tokenizer in elsewhere}
        self.libraries: dict[str, Library] = {}
        self._counters: dict[str, Tokenizer | CountedElsewhere] = dict(self._elsewhere)
        self._texts: dict[tuple[Traffic, str, int | None], Texts] = {}

    def library(self, tokenizer: str, lengths: Sequence[int]) -> Library:
        """The prompts of (at least) these `lengths`, in tokens of `tokenizer`."""
        library = self.libraries.get(tokenizer)
        if library is None or not set(lengths) <= set(library.lengths):
            self.libraries[tokenizer] = ensure(
                self._folder,
                self._elsewhere.get(tokenizer, tokenizer),
                sorted({*lengths, *(library.lengths if library else ())}),
                source=None if self._source is None else parse_source(self._source),
                seed=PROMPT_SEED,
                say=self._say,
            )
        return self.libraries[tokenizer]

    def of_traffic(
        self, traffic: Traffic, tokenizer: str, context_tokens: int | None, fresh: str
    ) -> Texts:
        """What `traffic` sends, in tokens of `tokenizer`, to a server with so long a context.

        Shared prefixes are new for each `fresh`; nothing else depends on it, so that is made once.
        """
        renewed = _is_renewed(traffic)
        key = (traffic, tokenizer, context_tokens)
        if renewed or key not in self._texts:
            material = material_of(
                traffic,
                self._counter(tokenizer),
                seed=PROMPT_SEED,
                fresh=fresh if renewed else "",
                context_tokens=context_tokens,
                say=self._say,
                prompts=lambda tokens: self._of_length(tokenizer, tokens),
            )
            self._texts[key] = Texts((), _sha256(traffic, material), material.synthetic, material)
        return self._texts[key]

    def _of_length(self, tokenizer: str, tokens: int) -> PromptsOfLength:
        library = self.library(tokenizer, [tokens])
        prompts = library.take(tokens)
        texts, lengths = (tuple(getattr(p, name) for p in prompts) for name in ("text", "tokens"))
        return PromptsOfLength(texts, lengths, library.is_synthetic(tokens))

    def _counter(self, tokenizer: str) -> Tokenizer | CountedElsewhere:
        if tokenizer not in self._counters:
            cache = self._folder / folder_name(tokenizer)
            cache.mkdir(parents=True, exist_ok=True)
            self._counters[tokenizer] = load(tokenizer, cache)
        return self._counters[tokenizer]
