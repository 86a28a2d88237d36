"""The public names of ``kshot_viz.analysis``."""

from .activation_points import activation_points as activation_points
from .alignment.alignment import alignment as alignment
from .dynamics.dynamics import FinetuneDynamics as FinetuneDynamics
from .dynamics.dynamics import finetune_dynamics as finetune_dynamics
from .similarity.compare_layers import compare_layers as compare_layers
from .similarity.kernels import minibatch_cka as minibatch_cka
from .similarity.measures import similarity as similarity
from .topology.graph import MapperGraph as MapperGraph
from .topology.mapper import mapper_graph as mapper_graph
from .topology.matching import match_nodes as match_nodes
from .topology.persistence import persistence as persistence
from .topology.purity import node_purity as node_purity
from .transfer.result import TransferGrid as TransferGrid
from .transfer.source_network import source_network as source_network
from .transfer.transfer_grid import transfer_grid as transfer_grid
from .whole.finetune_analysis import FinetuneAnalysis as FinetuneAnalysis
from .whole.finetune_analysis import analyse_finetune as analyse_finetune
