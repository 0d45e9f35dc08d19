"""The wire dialects of model servers: how each is asked, and what its answers say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
