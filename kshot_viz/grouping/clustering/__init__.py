"""Clustering neurons into groups."""
