"""Figures of networks from descriptions."""
