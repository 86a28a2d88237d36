"""Analyses of what networks represent; each returns tidy tables.

The names are listed in the stub ``__init__.pyi``; each is imported from its module at first use.
"""

from kshot_viz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
