"""Which words of a description speak for its class, and which against it."""
