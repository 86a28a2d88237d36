"""Measuring and the page of the benchmark of networks from descriptions."""
