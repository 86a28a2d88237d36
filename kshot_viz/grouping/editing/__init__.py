"""Editing a grouping by hand."""
