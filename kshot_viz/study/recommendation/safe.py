"""The few candidates that a recommendation chooses among, from the least moved to the most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.evaluate.batching import grouped_layers
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Methods that leave the body of the network as it is: the features of an image serve them all.
FROZEN = ("nearest_mean", "logistic", "head_only")
# Small steps, and few of the body: one that hardly moves does no harm, whatever the task.
HEAD = FinetuneConfig(head_lr=0.01, steps=40)
BODY = FinetuneConfig(lr=1e-3, head_lr=0.01, steps=10)
N_GROUPS = 0.1


def safe_candidates(backbone: Backbone, *, groups_from: str = "support") -> list[Candidate]:
    """Return the candidates that can be used on a network, the least moved first.

    Parameters
    ----------
    backbone : Backbone
    groups_from : {"support", "source"}
        What forms the groups of grouped fine-tuning.
    """
    rule = GroupingRule(groups_from=groups_from, n_groups=N_GROUPS)
    found = [
        Candidate(method="nearest_mean"),
        Candidate(method="logistic"),
        Candidate(None, HEAD, "head_only"),
        Candidate(rule, BODY, "grouped"),
        Candidate(None, BODY, "plain"),
    ]
    return [one for one in found if not one.method.applies(backbone)]


def is_frozen(candidate: Candidate) -> bool:
    """Return whether a candidate leaves the body of the network as it is."""
    return candidate.method.name in FROZEN


def free_numbers(backbone: Backbone, candidate: Candidate, way: int) -> int:
    """Return how many numbers a candidate fits to the images of ``way`` classes.

    Those of the new head, and of the body what trains; the neurons of a group count as one.
    Groups that a rule has yet to form are counted at its number of groups.
    """
    head = way * (backbone.feature_dim + 1)
    if is_frozen(candidate):
        return head
    network = backbone.with_new_head(way)
    layers = grouped_layers(candidate, network)
    plans = candidate.method.plan(network, layers, candidate.config)
    named = dict(network.module.named_parameters())
    body = [one for one in plans if one.rate != "head_lr" and one.lr(candidate.config) > 0]
    return head + sum(
        _free(named[one.name], one.layer, candidate.grouping) for one in body if one.name in named
    )


def _free(parameter: Any, layer: str | None, grouping: Grouping | GroupingRule | None) -> int:
    """Count the free numbers of a parameter, (neurons, ...)."""
    if layer is None or grouping is None:
        return int(parameter.numel())
    neurons = len(parameter)
    return int(parameter.numel()) // neurons * _groups(layer, neurons, grouping)


def _groups(layer: str, neurons: int, grouping: Grouping | GroupingRule) -> int:
    if isinstance(grouping, Grouping):
        return grouping.n_groups(layer)
    wanted = grouping.n_groups
    size = wanted.get(layer, 1.0) if not isinstance(wanted, (int, float)) else wanted
    return max(1, round(size * neurons)) if isinstance(size, float) else min(size, neurons)
