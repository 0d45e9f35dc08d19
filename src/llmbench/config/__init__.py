"""Model configurations: turns a TOML file into a frozen `ModelConfig`, or into one clear error."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
