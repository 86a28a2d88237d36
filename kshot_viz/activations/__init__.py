"""How the neurons of a network answer to images: hooks, pooling, streaming under a memory cap."""

from kshot_viz.activations.capture import capture_activations
from kshot_viz.activations.container import Activations, LayerActivations

__all__ = ["Activations", "LayerActivations", "capture_activations"]
