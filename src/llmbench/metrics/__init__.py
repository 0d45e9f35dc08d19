"""Turns records into numbers: formulas, percentiles, knee, sizing, cost (docs/metrics.md)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
