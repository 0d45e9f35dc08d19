"""A session of measuring: grid, servers, prompts; cells become results in a run's directory.

The conductor of the rooms below it. It knows nothing of pytest: `llmbench.plugin` hands it cells,
and a script may do the same.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
