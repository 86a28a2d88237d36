"""Figures of neurons and groups."""
