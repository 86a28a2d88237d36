"""Activations of a network's neurons: capture, pooling, streaming under a memory cap, cache."""

from kshot_viz.activations.activations import Activations, LayerActivations
from kshot_viz.activations.capture import capture_activations

__all__ = ["Activations", "LayerActivations", "capture_activations"]
