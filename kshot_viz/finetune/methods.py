"""The fine-tuning methods: each says which parameters of the network may move.

The new head always trains. ``grouped`` moves what ``plain`` moves, in groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.grouping.grouping import Grouping

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

Moves = Callable[["Backbone", "Grouping | None", FinetuneConfig], set[str]]


@dataclass(frozen=True)
class Method:
    """A named way to fine-tune."""

    name: str
    summary: str
    moves: Moves
    grouped: bool = False


def _nothing(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> set[str]:
    return set()


def _last_block(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> set[str]:
    return backbone.block_parameters()


def _everything(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> set[str]:
    return {name for name, _ in backbone.module.named_parameters()}


def _groups(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> set[str]:
    if config.others == "train":
        return _everything(backbone, grouping, config)
    return {name for layer in grouping or () for name in backbone.tied_parameters(layer)}


METHODS = {
    method.name: method
    for method in (
        Method("head_only", "Only the new head trains (linear probing).", _nothing),
        Method("last_block", "The head and the last block train.", _last_block),
        Method("plain", "All parameters train, each on its own.", _everything),
        Method("grouped", "One averaged gradient per group of neurons.", _groups, grouped=True),
    )
}


def resolve_method(name: str, grouping: Grouping | None) -> Method:
    """Return the method of that name, with a grouping exactly where it needs one."""
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    method = METHODS[name]
    if method.grouped and grouping is None:
        raise KShotValueError(
            "method='grouped' needs `grouping=`; make one with kv.cluster_neurons(activations)."
        )
    if grouping is not None and not method.grouped:
        raise KShotValueError(f"method={name!r} shares no gradients; leave out `grouping=`.")
    return method
