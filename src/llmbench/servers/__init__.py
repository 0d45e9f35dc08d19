"""Server life: launch, wait until it answers, watch, stop. One context manager for all kinds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
