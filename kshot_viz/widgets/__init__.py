"""Dashboards one can touch: thin shells over ``viz`` and the library, state in traits."""

from kshot_viz.widgets.explorer.neuron_map import NeuronMap
from kshot_viz.widgets.explorer.similarity_matrix import SimilarityMatrix

__all__ = ["NeuronMap", "SimilarityMatrix"]
