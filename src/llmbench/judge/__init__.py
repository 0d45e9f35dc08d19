"""The referee: how far a client of any tool can be believed, against a server of known truth."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
