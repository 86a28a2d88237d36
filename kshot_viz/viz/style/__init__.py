"""Colours, canvases and marks that all figures share."""
