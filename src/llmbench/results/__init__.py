"""What comes of a cell: its numbers, whether they can be trusted, and are good enough."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
