"""Checks for code that extends this library: ``check_method`` for a fine-tuning method."""

from kshot_viz.testing.methods import check_method

__all__ = ["check_method"]
