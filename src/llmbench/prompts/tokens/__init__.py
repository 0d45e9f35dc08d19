"""Tokenizers: the count by which a prompt has its length."""
