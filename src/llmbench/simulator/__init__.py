"""The simulated server: deterministic, with a known truth, able to fail in every known way.

docs/simulator.md describes it. `serve` is ``llmbench simulate``; `llmbench.servers.launch`
starts it as a process of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
