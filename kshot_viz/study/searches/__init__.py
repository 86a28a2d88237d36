"""Studies of searches: beside random search, of several samplers, and scored again."""
