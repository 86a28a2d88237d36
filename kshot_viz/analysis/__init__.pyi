"""The public names of ``kshot_viz.analysis``."""

from .alignment.alignment import alignment as alignment
from .alignment.over_steps import alignment_over_steps as alignment_over_steps
from .similarity.compare_layers import compare_layers as compare_layers
from .similarity.kernels import minibatch_cka as minibatch_cka
from .similarity.measures import similarity as similarity
