"""Frozen text encoders: whole descriptions as vectors, so that every word can be read."""
