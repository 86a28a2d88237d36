"""The workbench for k-shot fine-tuning: which neurons may move, and which together.

The names in ``__all__`` are the public page, listed once, in the stub ``__init__.pyi``. Each is
imported from its module at first use, so that ``import kshot_viz`` costs next to nothing.
Subpackages such as ``kshot_viz.analysis`` have public pages of their own.
"""

import logging

from kshot_viz.lazy import attach_stub

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = attach_stub(
    __name__, __file__, subpackages=("analysis", "trackers", "viz")
)

# Who wants to read what the library logs adds a handler; until then nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())
