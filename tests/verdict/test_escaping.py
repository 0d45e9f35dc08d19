"""Foreign text on a Markdown page."""

from llmbench.verdict.escaping import escaped


def test_markup_means_nothing_in_markdown() -> None:
    assert escaped("a|b <i>*x*</i>\nc") == "a\\|b &lt;i>\\*x\\*&lt;/i> c"
