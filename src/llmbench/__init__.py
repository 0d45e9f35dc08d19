"""pytest-llmbench: the server's own numbers, with a verdict that can gate a merge.

A suite imports these names. Each is loaded when it is first used, so that a pytest run without
benchmarks doesn't pay for any of them, although the plugin is installed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
