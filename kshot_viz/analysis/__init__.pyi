"""The public names of ``kshot_viz.analysis``, by room."""

from .similarity.compare_layers import compare_layers as compare_layers
from .similarity.kernels import minibatch_cka as minibatch_cka
from .similarity.measures import similarity as similarity
