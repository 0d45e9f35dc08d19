"""Whether a run's files follow from its journal, and whether any was changed since it ended."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
