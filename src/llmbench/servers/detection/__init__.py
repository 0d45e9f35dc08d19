"""Asks a running server what it is: engine, dialect, models, context and tokenizer."""
