"""The three dashboards on one page."""
