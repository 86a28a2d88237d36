"""Training of the hyper-network on tasks of described classes."""
