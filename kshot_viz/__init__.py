"""The workbench for k-shot fine-tuning: which neurons may move, and which together.

The names in ``__all__`` are the public page. Each is imported from its room at first use, so that
``import kshot_viz`` costs next to nothing.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kshot_viz.activations import Activations, capture_activations
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes import (
        Episode,
        load_episodes,
        sample_episodes,
        save_episodes,
        validation_episodes,
    )
    from kshot_viz.data.load_dataset import load_dataset
    from kshot_viz.errors import KShotError
    from kshot_viz.evaluate.evaluate import evaluate
    from kshot_viz.finetune.candidate import Candidate
    from kshot_viz.finetune.gradients import neuron_gradients
    from kshot_viz.finetune.loop import finetune
    from kshot_viz.finetune.result import FinetuneResult
    from kshot_viz.grouping.clustering.cluster import cluster_neurons
    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.grouping.rule import GroupingRule
    from kshot_viz.methods.base import Method
    from kshot_viz.methods.config import FinetuneConfig
    from kshot_viz.methods.registry import list_methods, register_method
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.models.head_init import HeadInit
    from kshot_viz.models.inputs.preprocess import Preprocess
    from kshot_viz.models.loading.load_backbone import load_backbone
    from kshot_viz.search.controller.sampler import ReinforceSampler
    from kshot_viz.search.group_search import GroupSearch
    from kshot_viz.search.result import SearchResult
    from kshot_viz.search.rewards.protocols import (
        augmented_support_reward,
        cross_validation_reward,
        pseudo_episode_reward,
        validation_reward,
    )
    from kshot_viz.search.search_groups import search_groups
    from kshot_viz.search.spaces.assignments import AssignmentSpace
    from kshot_viz.search.spaces.groups import GroupSpace
    from kshot_viz.study.classifier import KShotClassifier
    from kshot_viz.study.compare import compare_methods
    from kshot_viz.study.comparison import Comparison
    from kshot_viz.study.grid import TuningGrid
    from kshot_viz.study.samplers import compare_samplers
    from kshot_viz.widgets.comparison.kshot_comparison import KShotComparison
    from kshot_viz.widgets.explorer.group_explorer import GroupExplorer
    from kshot_viz.widgets.monitor.search_monitor import SearchMonitor

__version__ = "0.1.0"

__all__ = [
    "Activations",
    "AssignmentSpace",
    "Backbone",
    "Candidate",
    "Comparison",
    "Episode",
    "FinetuneConfig",
    "FinetuneResult",
    "GroupExplorer",
    "GroupSearch",
    "GroupSpace",
    "Grouping",
    "GroupingRule",
    "HeadInit",
    "ImageDataset",
    "KShotClassifier",
    "KShotComparison",
    "KShotError",
    "Method",
    "Preprocess",
    "ReinforceSampler",
    "SearchMonitor",
    "SearchResult",
    "TuningGrid",
    "augmented_support_reward",
    "capture_activations",
    "cluster_neurons",
    "compare_methods",
    "compare_samplers",
    "cross_validation_reward",
    "evaluate",
    "finetune",
    "list_methods",
    "load_backbone",
    "load_dataset",
    "load_episodes",
    "neuron_gradients",
    "pseudo_episode_reward",
    "register_method",
    "sample_episodes",
    "save_episodes",
    "search_groups",
    "validation_episodes",
    "validation_reward",
]

# Where each public name lives, room by room in the order of the data's way.
_HOMES = {
    "KShotError": "errors",
    "ImageDataset": "data.dataset",
    "load_dataset": "data.load_dataset",
    "Episode": "data.episodes",
    "sample_episodes": "data.episodes",
    "validation_episodes": "data.episodes",
    "save_episodes": "data.episodes",
    "load_episodes": "data.episodes",
    "Preprocess": "models.inputs.preprocess",
    "Backbone": "models.backbone",
    "load_backbone": "models.loading.load_backbone",
    "Activations": "activations",
    "capture_activations": "activations",
    "Grouping": "grouping.grouping",
    "GroupingRule": "grouping.rule",
    "cluster_neurons": "grouping.clustering.cluster",
    "HeadInit": "models.head_init",
    "Method": "methods.base",
    "register_method": "methods.registry",
    "list_methods": "methods.registry",
    "FinetuneConfig": "methods.config",
    "FinetuneResult": "finetune.result",
    "finetune": "finetune.loop",
    "neuron_gradients": "finetune.gradients",
    "Candidate": "finetune.candidate",
    "evaluate": "evaluate.evaluate",
    "GroupSpace": "search.spaces.groups",
    "AssignmentSpace": "search.spaces.assignments",
    "GroupSearch": "search.group_search",
    "search_groups": "search.search_groups",
    "SearchResult": "search.result",
    "ReinforceSampler": "search.controller.sampler",
    "pseudo_episode_reward": "search.rewards.protocols",
    "augmented_support_reward": "search.rewards.protocols",
    "cross_validation_reward": "search.rewards.protocols",
    "validation_reward": "search.rewards.protocols",
    "Comparison": "study.comparison",
    "TuningGrid": "study.grid",
    "compare_methods": "study.compare",
    "compare_samplers": "study.samplers",
    "KShotClassifier": "study.classifier",
    "GroupExplorer": "widgets.explorer.group_explorer",
    "SearchMonitor": "widgets.monitor.search_monitor",
    "KShotComparison": "widgets.comparison.kshot_comparison",
}


class _PublicPage(ModuleType):
    """A module whose public names win over packages of the same name.

    Python stores every imported submodule on its parent: without this class ``kshot_viz.finetune``
    would be the function or the package, depending on what was imported before.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


# Hidden from type checkers, which would otherwise let any misspelt name pass.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            close = get_close_matches(name, _HOMES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"module 'kshot_viz' has no attribute {name!r}.{hint}")
        value = getattr(import_module(f"kshot_viz.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _PublicPage
