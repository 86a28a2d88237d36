"""Data, networks and page of the benchmark on changes of layers from descriptions."""
