"""The command line: ``kshot-viz demo``, ``compare``, ``search``, ``dashboard`` and others."""

from kshot_viz.cli.app import main

__all__ = ["main"]
