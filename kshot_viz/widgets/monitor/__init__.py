"""The search monitor."""
