"""Launches a server of any kind, waits until it answers, watches it and stops it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
