"""The dialects whose answers hold no tokens, but a result for each input."""
