"""What a search is, in plain JSON values: two searches with the same manifest are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz import __version__
from kshot_viz.records import record_digest
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.storage.ledger import SCHEMA

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from kshot_viz.models.backbone import Backbone


def describe_search(
    backbone: Backbone,
    reward: Reward,
    space: Space,
    *,
    sampler: str | BaseSampler,
    learning: ReinforceConfig,
    prune: str | None,
    first: Sequence[Mapping[str, Any]],
    budget: float,
    seed: int,
) -> dict[str, Any]:
    """Return what is searched, how, and by which reward. A foreign sampler is known by its class.

    Parameters
    ----------
    backbone, reward, space, sampler, learning, prune, first, budget, seed
        As in :class:`kshot_viz.GroupSearch`.
    """
    import optuna
    import torch

    name = sampler if isinstance(sampler, str) else str(sampler)
    return {
        "schema": SCHEMA,
        "sampler": name,
        "seed": seed,
        "batch_size": learning.batch_size,
        "learning": dict(vars(learning)) if name == "reinforce" else None,
        "prune": prune,
        "first": list(first),
        "space": space.to_dict(),
        "reward": reward.to_dict(),
        "network": [backbone.name, backbone.fingerprint],
        "budget": budget,
        "versions": {
            "kshot_viz": __version__,
            "torch": torch.__version__,
            "optuna": optuna.__version__,
        },
    }


def own_journal(manifest: Mapping[str, Any]) -> Path:
    """Return a journal of this search's own; with a larger budget it is the same one."""
    return Path("runs") / f"search-{search_key(manifest)}.journal"


def search_key(manifest: Mapping[str, Any]) -> str:
    """Return a short digest of all that makes a search another one."""
    known = {name: one for name, one in manifest.items() if name not in ("budget", "versions")}
    return record_digest(known, 12)
