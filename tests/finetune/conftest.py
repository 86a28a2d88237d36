"""Three classes and episodes on them, for every test of this folder."""

from three_classes import data, episodes  # noqa: F401
