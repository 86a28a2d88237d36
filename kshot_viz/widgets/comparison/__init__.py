"""The k-shot comparison."""
