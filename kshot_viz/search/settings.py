"""The settings of a search, its sampler, and their record in storage: the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz import __version__
from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.inputs.preprocess import text_of
from kshot_viz.records import record_digest
from kshot_viz.search.controller.network import layer_features
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.controller.sampler import ReinforceSampler
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.spaces.assignments import AssignmentSpace
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.spaces.groups import GroupSpace
from kshot_viz.search.storage.ledger import CHANGING, SCHEMA

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.search.timing import TimeLimit

SAMPLERS: tuple[str, ...] = ("reinforce", "random", "tpe")
SPACES: dict[str, type[Space]] = {one.kind: one for one in (GroupSpace, AssignmentSpace)}


@dataclass(frozen=True)
class SearchSettings:
    """All settings that determine the history of a search, except network and reward.

    Attributes
    ----------
    space, sampler, budget, prune, first, learning, seed
        As in :class:`kshot_viz.GroupSearch`, completed and checked.
    limit : TimeLimit or None
        What a time budget made of ``budget``.
    """

    space: Space
    sampler: str | BaseSampler
    budget: float
    prune: str | None
    first: Sequence[Mapping[str, Any]]
    learning: ReinforceConfig
    seed: int
    limit: TimeLimit | None = None

    @property
    def batch_size(self) -> int:
        """Rollouts in a batch."""
        return self.learning.batch_size

    def manifest(self, backbone: Backbone, reward: Reward) -> dict[str, Any]:
        """Return plain JSON values; searches with equal manifests are the same search.

        A sampler object is recorded by its text.
        """
        import optuna
        import torch

        sampler = str(self.sampler)
        return {
            "schema": SCHEMA,
            "sampler": sampler,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "learning": dict(vars(self.learning)) if sampler == "reinforce" else None,
            "prune": self.prune,
            "first": list(self.first),
            "space": self.space.to_dict(),
            "reward": reward.to_dict(),
            "network": [backbone.name, backbone.fingerprint],
            "preprocess": text_of(backbone.preprocess),
            "budget": self.budget,
            **({} if self.limit is None else self.limit.to_dict()),
            "versions": {
                "kshot_viz": __version__,
                "torch": torch.__version__,
                "optuna": optuna.__version__,
            },
        }


def space_from_dict(record: Mapping[str, Any]) -> Space:
    """Rebuild a space of any kind from its ``to_dict()``."""
    kind = record["kind"]
    if kind not in SPACES:
        raise unknown_name("kind", kind, SPACES)
    return SPACES[kind].from_dict(record)


def search_key(manifest: Mapping[str, Any]) -> str:
    """Return a short digest of what identifies a search in its manifest.

    Without the preprocess, since searches were stored before it was recorded.
    """
    known = {name: one for name, one in manifest.items() if name not in (*CHANGING, "preprocess")}
    return record_digest(known, 12)


def learning_of(
    sampler: str | BaseSampler, learning: ReinforceConfig | None = None
) -> ReinforceConfig:
    """Return ``learning``, the sampler's own configuration, or the default.

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotValueError
        If sampler and ``learning`` differ.
    """
    if isinstance(sampler, str) and sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, SAMPLERS)
    own = sampler.config if isinstance(sampler, ReinforceSampler) else None
    if own is not None and learning not in (None, own):
        raise KShotValueError(
            f"`learning` and the sampler's own `config` differ: {learning!r} and {own!r}. Leave "
            f"`learning` out."
        )
    return learning or own or ReinforceConfig()


def make_controller(
    settings: SearchSettings, network: Backbone, reward: Reward
) -> ReinforceSampler | None:
    """Return the controller with features of the network's layers; None for other samplers."""
    if settings.sampler != "reinforce":
        return None
    images = reward.source or reward.data
    shown = images.take(range(min(64, len(images))))
    features = layer_features(network, capture_activations(network, shown))
    return ReinforceSampler(
        seed=settings.seed,
        config=settings.learning,
        search_space=settings.space.distributions(),
        steps=settings.space.steps(features),
    )
