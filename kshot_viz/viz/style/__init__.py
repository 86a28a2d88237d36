"""Colours, canvases, intervals and files that all figures share."""
