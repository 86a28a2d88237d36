"""Callbacks: rows as they finish, handed to your own code, TensorBoard, MLflow or W&B.

The names are listed in the stub ``__init__.pyi``; each is imported from its module at first use.
"""

from kshot_viz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
