"""The texts that the simulated model generates."""

from llmbench.simulator.manner import Manner

WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " lazy", " dog", ".")
FOREIGN = (" naïve", " café", " 日本", " 🙂", " Ω", " прив", "ет", " ß", " 한국", "…")


def text_of(first: int, last: int, manner: Manner, mark: str = "", total: int = 0) -> str:
    """The text of tokens `first` to `last`: English words, or words beyond ASCII if cut.

    With a `mark` the answer, of `total` tokens, begins with it and ends with their number.
    """
    words = FOREIGN if manner.cut or manner.byte_by_byte else WORDS
    spoken = [words[number % len(words)] for number in range(first, last + 1)]
    if mark and first <= total <= last:
        spoken[total - first] = f" {total}."
    opening = answer_from(total, manner)
    if mark and first <= opening <= last:
        spoken[opening - first] = f" {mark}" + (f" {total}." if opening == total else "")
    return "".join(spoken)


def answer_from(total: int, manner: Manner) -> int:
    """The first token of the answer, after any reasoning."""
    return total // 2 + 1 if manner.reasoning else 1
