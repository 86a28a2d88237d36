"""Search spaces: what a search may choose for each layer."""
