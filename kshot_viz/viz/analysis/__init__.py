"""Pictures of what ``kshot_viz.analysis`` finds."""
