"""Edit a grouping by hand."""
