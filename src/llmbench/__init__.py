"""pytest-llmbench: the server's own numbers, with a verdict that can gate a merge.

These names are what a suite imports. Each is loaded when it is first used, so that a pytest
run with the plugin installed but no benchmark in it pays for none of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
