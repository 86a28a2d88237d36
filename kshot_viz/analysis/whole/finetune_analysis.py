"""One fine-tune looked at from all sides: similarity, alignment, dynamics, topology, transfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kshot_viz.analysis.alignment.alignment import Alignment, alignment
from kshot_viz.analysis.alignment.maps import linear_maps
from kshot_viz.analysis.dynamics.dynamics import FinetuneDynamics, finetune_dynamics
from kshot_viz.analysis.similarity.compare_layers import compare_layers
from kshot_viz.analysis.transfer.result import TransferGrid
from kshot_viz.analysis.transfer.transfer_grid import transfer_grid
from kshot_viz.analysis.whole.topology import Topology, topology_of
from kshot_viz.checks import checked, instance, names, optional, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.loop import finetune
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.study.rivals import rivals_of
from kshot_viz.text import evenly_spaced

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.finetune.candidate import Candidate
    from kshot_viz.methods.base import Method

Part = TypeVar("Part")
# Names of all frames that an analysis may have.
FRAMES = (
    "dynamics", "layers", "alignment", "exponents", "nodes_before", "nodes_after", "matched_nodes",
    "transfer", "masking",
)  # fmt: skip
# Layers that are compared unless they are named.
_LAYERS = 8


@dataclass(frozen=True, eq=False)
class FinetuneAnalysis:
    """What :func:`analyse_finetune` found.

    Attributes
    ----------
    network, data, method : str
        The method is the one whose tuned network is looked at.
    layers : DataFrame or None
        Of :func:`kshot_viz.analysis.compare_layers`, before against after.
    alignment : Alignment or None
        After tuning.
    dynamics : FinetuneDynamics
        Of all methods, step by step.
    topology : Topology or None
        Of one layer's activations, before and after.
    transfer : TransferGrid or None
        The pretrained weights beside random ones.
    left_out : mapping of str to str
        Of "layers", "alignment", "topology" and "transfer" those that these images, or a run that
        diverged, do not allow, and why.
    """

    network: str
    data: str
    method: str
    layers: pd.DataFrame | None
    alignment: Alignment | None
    dynamics: FinetuneDynamics
    topology: Topology | None
    transfer: TransferGrid | None
    left_out: Mapping[str, str]

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return all numbers, as frames by name."""
        found = {"dynamics": self.dynamics.frame()}
        if self.layers is not None:
            found["layers"] = self.layers
        if self.alignment is not None:
            found["alignment"] = self.alignment.frame()
            found["exponents"] = self.alignment.exponents()
        if self.topology is not None:
            found |= self.topology.frames()
        if self.transfer is not None:
            found |= {"transfer": self.transfer.effects(), "masking": self.transfer.masking()}
        return found

    def findings(self) -> list[str]:
        """Return what was found, as sentences made from the numbers."""
        return [
            *self.dynamics.findings(),
            *([] if self.topology is None else [self.topology.finding()]),
            *([] if self.transfer is None else self.transfer.findings()),
            *(f"{part.capitalize()} is left out: {why}" for part, why in self.left_out.items()),
        ]

    def __repr__(self) -> str:
        head = f"FinetuneAnalysis of {self.network} on {self.data}, tuned by {self.method!r}."
        return "\n".join([head, "", *self.findings()])


@checked(
    backbone=BACKBONE,
    data=instance(ImageDataset),
    way=optional(whole(2)),
    shot=whole(1),
    query=whole(1),
    config=optional(instance(FinetuneConfig)),
    layers=optional(names),
    episodes=whole(0),
    seed=whole(0),
)
def analyse_finetune(
    backbone: Backbone,
    data: ImageDataset,
    *,
    methods: Sequence[str | Method | Candidate] = ("plain", "grouped"),
    config: FinetuneConfig | None = None,
    way: int | None = None,
    shot: int = 5,
    query: int = 6,
    layers: Sequence[str] | None = None,
    graph_layer: str | None = None,
    episodes: int = 8,
    seed: int = 0,
    progress: Callable[[str], object] = lambda _: None,
) -> FinetuneAnalysis:
    """Fine-tune on one episode, and look at it from all sides.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
    methods : sequence of str, Method or Candidate
        As in :func:`kshot_viz.analysis.finetune_dynamics`; the network that the first one tuned is
        compared with the start.
    config : FinetuneConfig, optional
    way, shot, query : int
        Of the episode; all classes by default. Queries are what is measured on.
    layers : sequence of str, optional
        Those looked at; by default at most eight of those that can be, evenly spaced.
    graph_layer : str, optional
        Whose activations are shown as graphs; the last that can be grouped by default.
    episodes : int
        Test episodes for the pretrained weights beside random ones
        (:func:`kshot_viz.analysis.transfer_grid`); 0 leaves that out.
    seed : int
    progress : callable
        Takes the name of each analysis as it begins.

    Returns
    -------
    FinetuneAnalysis

    Raises
    ------
    KShotKeyError
        For an unknown method or layer.
    KShotValueError
        For too few images of a class. What one of the analyses refuses is no error: it is left
        out, and ``left_out`` says why.
    """
    known = list(backbone.layers)
    if graph_layer is not None and graph_layer not in known:
        raise unknown_name("graph_layer", graph_layer, known)
    measurable = [name for name in linear_maps(backbone.module, None)[0] if name in known]
    chosen = evenly_spaced(measurable, _LAYERS) if layers is None else list(layers)
    way = way or data.n_classes
    (episode,) = sample_episodes(
        data, way=way, shot=shot, query=query, n=1, val_share=0, seed=seed, min_query=1
    )
    support, shown = episode.split(data)
    progress("fine-tuning, step by step")
    dynamics = finetune_dynamics(
        backbone, support, images=shown, methods=methods, config=config, layers=chosen, seed=seed
    )
    tuned = _tuned(backbone, support, methods, config, seed)
    after = _After(backbone, tuned, shown, chosen, seed)
    left_out: dict[str, str] = {}
    progress("similarity of layers")
    alike = _attempt("layers", after.similarity, left_out)
    progress("alignment")
    aligned = _attempt("alignment", after.alignment, left_out)
    progress("topology of activations")
    topology = _attempt(
        "topology", lambda: after.topology(data, graph_layer or known[-1]), left_out
    )
    transfer = None
    if episodes:
        progress("pretrained beside random weights")
        asked: dict[str, Any] = {"way": way, "shots": shot, "query": query, "episodes": episodes}
        transfer = _attempt(
            "transfer", lambda: _beside_random(backbone, data, asked, seed), left_out
        )
    return FinetuneAnalysis(
        network=backbone.name,
        data=data.name,
        method=tuned.method,
        layers=alike,
        alignment=aligned,
        dynamics=dynamics,
        topology=topology,
        transfer=transfer,
        left_out=left_out,
    )


def _tuned(
    backbone: Backbone,
    support: ImageDataset,
    methods: Sequence[str | Method | Candidate],
    config: FinetuneConfig | None,
    seed: int,
) -> FinetuneResult:
    """Tune by the first method, as its dynamics are of."""
    first = rivals_of(methods, GroupingRule(), config or FinetuneConfig())[0]
    return finetune(
        backbone,
        support,
        method=first.method,
        grouping=first.grouping,
        config=first.config,
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class _After:
    """A tuned network beside its start."""

    backbone: Backbone
    tuned: FinetuneResult
    images: ImageDataset
    layers: list[str]
    seed: int

    def similarity(self) -> pd.DataFrame:
        return compare_layers(
            self.backbone, self._whole(), images=self.images, layers=self.layers, seed=self.seed
        )

    def alignment(self) -> Alignment:
        return alignment(self._whole(), self.images, layers=self.layers, seed=self.seed)

    def topology(self, data: ImageDataset, layer: str) -> Topology:
        return topology_of(self.backbone, self._whole().backbone, data, layer, self.seed)

    def _whole(self) -> FinetuneResult:
        if self.tuned.diverged:
            raise KShotValueError(
                f"fine-tuning {self.tuned.status}, so there is no tuned network to look at. Give "
                f"a smaller step size."
            )
        return self.tuned


def _attempt(part: str, work: Callable[[], Part], left_out: dict[str, str]) -> Part | None:
    """Return what ``work`` gives, or note why these images do not allow it."""
    try:
        return work()
    except KShotValueError as error:
        left_out[part] = str(error)
        return None


def _beside_random(
    backbone: Backbone, data: ImageDataset, asked: Mapping[str, Any], seed: int
) -> TransferGrid:
    return transfer_grid(
        {"pretrained": backbone},
        {data.name: data},
        starts=("frozen", "all"),
        n_val=2,
        seeds=(0,),
        seed=seed,
        **asked,
    )
