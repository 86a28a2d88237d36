"""Which neurons belong together: groupings, clustering, null groupings, metrics."""
