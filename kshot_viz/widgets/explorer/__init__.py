"""The group explorer."""
