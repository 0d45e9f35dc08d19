"""A twin of a server: a simulated engine whose costs were fitted to what a run measured of it.

docs/twin.md describes it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
