"""Wire dialects of model servers: what to ask, and what an answer says. Bytes in, facts out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
