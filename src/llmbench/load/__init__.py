"""The instrument: puts load on a server and records what the kernel saw of the answers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
