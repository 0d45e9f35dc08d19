"""The simulated server: deterministic, with a known truth, able to fail in every known way."""
