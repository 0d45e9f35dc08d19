"""Tokenizers, whose counts are the lengths of the prompts."""
