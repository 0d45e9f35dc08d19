"""A session of measuring: turns cells into results in a run's directory.

It directs the rooms below it and knows nothing about pytest: `llmbench.plugin` hands it cells,
and a script may do the same.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
