"""A comparison on disk: its two files, and the store of its runs while it is made."""
