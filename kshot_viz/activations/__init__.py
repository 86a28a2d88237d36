"""How the neurons of a network answer to images: hooks, pooling, streaming under a memory cap."""

from kshot_viz.activations.activations import Activations, LayerActivations
from kshot_viz.activations.capture import capture_activations

__all__ = ["Activations", "LayerActivations", "capture_activations"]
