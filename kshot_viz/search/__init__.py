"""The search for a grouping: spaces, controller, rewards, storage and the search itself."""
