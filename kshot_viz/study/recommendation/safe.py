"""The few candidates that a recommendation chooses among, from the least moved to the most."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kshot_viz.evaluate.batching import grouped_layers
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.frozen_body import FrozenBody
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.head_init import HeadInit
from kshot_viz.models.nearest_mean import feature_power

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Methods that leave the body of the network as it is: the features of an image serve them all.
FROZEN = ("nearest_mean", "logistic", "head_only")
METHODS = (*FROZEN, "grouped", "plain")
# The head starts at the class means, by which it knows the classes before the first step; from
# there small steps do no harm, whatever the task.
IMPRINTED = HeadInit("imprinted")
STEPS = 20
LR = 1e-3
# What a step of the head adds to a logit, at most: the step size times a squared length.
HEAD_STEP = 10.0
OWN_HEAD_LR = 0.01
# Features that ask for other sizes are all but zero, or do not fit their type.
LEAST, MOST = 1e-12, 1e4
N_GROUPS = 0.1


def safe_candidates(
    backbone: Backbone, images: Any, *, groups_from: str = "support"
) -> list[Candidate]:
    """Return the candidates that can be used on a network, the least moved first.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
        Those of the support; their features give the step size of the head.
    groups_from : {"support", "source"}
        What forms the groups of grouped fine-tuning.
    """
    config = _config(backbone, images)
    found = [_candidate(resolve_method(name), config, groups_from) for name in METHODS]
    return [one for one in found if not one.method.applies(backbone)]


def safe_candidate(
    backbone: Backbone, images: Any, method: str | Method, *, groups_from: str = "support"
) -> Candidate:
    """Return one method with such settings; parameters as of :func:`safe_candidates`."""
    chosen = resolve_method(method)
    config = _config(backbone, images) if chosen.takes_steps else FinetuneConfig()
    return _candidate(chosen, config, groups_from)


def _config(backbone: Backbone, images: Any) -> FinetuneConfig:
    return FinetuneConfig(lr=LR, head_lr=head_step_size(backbone, images), steps=STEPS)


def _candidate(method: Method, config: FinetuneConfig, groups_from: str) -> Candidate:
    if not method.takes_steps:
        return Candidate(method=method)
    if method.own_head:
        # What such a head makes of features need not have their length.
        config = config.but(head_lr=OWN_HEAD_LR)
    elif method.head.zero:
        method = replace(method, head=IMPRINTED)
    rule = GroupingRule(groups_from=groups_from, n_groups=N_GROUPS) if method.shares else None
    return Candidate(rule, config, method)


def head_step_size(backbone: Backbone, images: Any) -> float:
    """Return a step size of the head that suits the length of the features of some images.

    A size that trains the head of one network in a few steps makes that of another jump, see
    :func:`kshot_viz.models.nearest_mean.feature_power`. So it is normalised as in the normalised
    least-mean-squares rule (Nagumo and Noda, IEEE Trans. Automatic Control 1967).
    """
    power = feature_power(backbone, images)
    # Two digits, so that the number reads well and does not depend on rounding.
    size = float(f"{HEAD_STEP / power:.2g}") if power > 0 else math.inf
    return size if LEAST < size < MOST else OWN_HEAD_LR


def is_frozen(candidate: Candidate) -> bool:
    """Return whether a candidate leaves the body of the network as it is."""
    method = candidate.method
    return method.name in FROZEN or isinstance(method, FrozenBody) or not method.takes_steps


def reads_features(candidate: Candidate) -> bool:
    """Return whether a candidate needs nothing but the features that the body gives in eval mode.

    They are computed once for all such candidates.
    """
    known = candidate.method.name in FROZEN and isinstance(candidate.method.head, HeadInit)
    return known and not candidate.config.train_mode


def free_numbers(backbone: Backbone, candidate: Candidate, way: int) -> int | None:
    """Return how many numbers a candidate fits to the images of ``way`` classes.

    Those of the new head, and of the body what trains; the neurons of a group count as one.
    Groups that a rule has yet to form are counted at its number of groups. None where a method
    adds parameters of its own.
    """
    head = way * (backbone.feature_dim + 1)
    if candidate.method.name in FROZEN:
        return head
    if type(candidate.method).attach is not Method.attach:
        return None
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
