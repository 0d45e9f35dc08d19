"""The texts that the simulated model generates."""

from llmbench.simulator.manner import Manner

WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " lazy", " dog", ".")
FOREIGN = (" naïve", " café", " 日本", " 🙂", " Ω", " прив", "ет", " ß", " 한국", "…")


def text_of(first: int, last: int, manner: Manner) -> str:
    """The text of tokens `first` to `last`: English words, or words beyond ASCII if cut."""
    words = FOREIGN if manner.cut or manner.byte_by_byte else WORDS
    return "".join(words[number % len(words)] for number in range(first, last + 1))
