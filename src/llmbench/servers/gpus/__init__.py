"""The GPUs of this host: which there are, which a server gets, and what they do meanwhile."""
