"""Makes what is posted elsewhere of a run: a Markdown summary, and a card that stands alone."""
