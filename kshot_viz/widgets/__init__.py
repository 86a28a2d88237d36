"""Interactive dashboards: thin layers over ``viz`` and the library, with their state in traits."""

from kshot_viz.widgets.explorer.neuron_map import NeuronMap, SimilarityMatrix

__all__ = ["NeuronMap", "SimilarityMatrix"]
