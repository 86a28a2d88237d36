"""The public page: where each name is defined. Type checkers and the package itself read it."""

from .activations import Activations as Activations
from .activations import capture_activations as capture_activations
from .data.dataset import ImageDataset as ImageDataset
from .data.episodes import Episode as Episode
from .data.episodes import load_episodes as load_episodes
from .data.episodes import sample_episodes as sample_episodes
from .data.episodes import save_episodes as save_episodes
from .data.episodes import validation_episodes as validation_episodes
from .data.load_dataset import load_dataset as load_dataset
from .errors import KShotError as KShotError
from .evaluate.evaluate import evaluate as evaluate
from .finetune.candidate import Candidate as Candidate
from .finetune.gradients import neuron_gradients as neuron_gradients
from .finetune.loop import finetune as finetune
from .finetune.result import FinetuneResult as FinetuneResult
from .grouping.clustering.cluster import cluster_neurons as cluster_neurons
from .grouping.grouping import Grouping as Grouping
from .grouping.rule import GroupingRule as GroupingRule
from .methods.base import Method as Method
from .methods.config import FinetuneConfig as FinetuneConfig
from .methods.registry import list_methods as list_methods
from .methods.registry import register_method as register_method
from .models.backbone import Backbone as Backbone
from .models.head_init import HeadInit as HeadInit
from .models.inputs.preprocess import Preprocess as Preprocess
from .models.loading.load_backbone import load_backbone as load_backbone
from .search.controller.sampler import ReinforceSampler as ReinforceSampler
from .search.group_search import GroupSearch as GroupSearch
from .search.result import SearchResult as SearchResult
from .search.rewards.protocols import augmented_support_reward as augmented_support_reward
from .search.rewards.protocols import cross_validation_reward as cross_validation_reward
from .search.rewards.protocols import pseudo_episode_reward as pseudo_episode_reward
from .search.rewards.protocols import validation_reward as validation_reward
from .search.search_groups import search_groups as search_groups
from .search.spaces.assignments import AssignmentSpace as AssignmentSpace
from .search.spaces.groups import GroupSpace as GroupSpace
from .study.classifier import KShotClassifier as KShotClassifier
from .study.compare import compare_methods as compare_methods
from .study.comparison import Comparison as Comparison
from .study.searches.samplers import compare_samplers as compare_samplers
from .study.settings.grid import TuningGrid as TuningGrid
from .widgets.comparison.kshot_comparison import KShotComparison as KShotComparison
from .widgets.explorer.group_explorer import GroupExplorer as GroupExplorer
from .widgets.monitor.search_monitor import SearchMonitor as SearchMonitor

__version__: str
