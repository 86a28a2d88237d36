"""Figures of the topology of activations."""
