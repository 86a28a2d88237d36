"""The public names of ``kshot_viz.analysis``."""

from .activation_points import activation_points as activation_points
from .topology.graph import MapperGraph as MapperGraph
from .topology.mapper import mapper_graph as mapper_graph
from .topology.matching import match_nodes as match_nodes
from .topology.persistence import persistence as persistence
from .topology.purity import node_purity as node_purity
