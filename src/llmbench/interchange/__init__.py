"""Files of other tools: read into what the gate compares, and written for what eats them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
