"""Searching for the grouping: space, recurrent controller, rewards, and the search itself."""
