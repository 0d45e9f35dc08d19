"""The simulated server: its true figures are known, and it can fail in every known way.

docs/simulator.md describes it. ``llmbench simulate`` calls `serve`; `llmbench.servers.launch`
starts the simulator in a process of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
