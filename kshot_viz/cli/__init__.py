"""The command line: ``kshot-viz demo``, ``compare``, ``replay``, ``pretrain``."""

from kshot_viz.cli.app import main

__all__ = ["main"]
