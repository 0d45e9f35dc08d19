"""Prompts: texts from a source, counted in tokens and sorted by length into the files of a run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
