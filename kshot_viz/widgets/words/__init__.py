"""The dashboard of networks from descriptions."""
