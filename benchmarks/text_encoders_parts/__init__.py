"""Parts of the benchmark of text encoders."""
