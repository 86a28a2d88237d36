"""Run one row of a comparison again, from what the comparison stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.study.manifest import preprocess_text
from kshot_viz.study.task import episode_key

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

_UNKNOWN = "A loaded comparison knows no images and no network: give `backbone=` and `data=`."


@dataclass(frozen=True)
class Replay:
    """A row as it was recorded and as it came out again."""

    row: int
    recorded: dict[str, Any]
    again: dict[str, Any]

    @property
    def identical(self) -> bool:
        """Whether accuracy, outcome and every single prediction are the same."""
        names = ("accuracy", "status", "predicted")
        return all(_plain(self.recorded[name]) == _plain(self.again[name]) for name in names)

    def __str__(self) -> str:
        about = self.recorded
        verdict = "identical" if self.identical else "NOT identical"
        return (
            f"row {self.row}: {about['method']}, {about['shot']} shot, episode {about['episode']}, "
            f"step size {about['step_size']:g}, {about['steps']} steps: recorded "
            f"{about['accuracy']:.4f}, again {self.again['accuracy']:.4f}: {verdict}"
        )


def replay_row(
    comparison: Comparison, row: int, backbone: Backbone | None, data: Sequence[ImageDataset]
) -> Replay:
    """Run row number ``row`` of a comparison's frame again, on whichever data it belongs to."""
    last = len(comparison.frame) - 1
    if whole(0)(row) or row > last:
        raise KShotValueError(f"`row` must be 0 to {last}, a row of `.frame`; not {row!r}.")
    network = _same(comparison, backbone)
    recorded: dict[str, Any] = dict(comparison.frame.iloc[row])  # type: ignore[call-overload]
    episode = comparison.episodes[episode_key(recorded)]
    # What was computed as one job is computed as one again: its sums were formed together.
    together = comparison.frame[comparison.frame["job"] == recorded["job"]]
    rows = evaluate(
        network,
        _drawn_from(data, episode),
        [episode],
        [comparison.candidates[key] for key in together["candidate"].unique()],
        at_steps=sorted({int(steps) for steps in together["steps"]}),
        path="loop" if recorded["path"] == "loop" else "fast",
        mix_names=False,
        seed=int(recorded["seed"]),
        device=comparison.manifest["device"],
    )
    # Under the key it has now: a record may be from before an option that has a default.
    key = comparison.candidates[recorded["candidate"]].key
    same = rows["candidate"].eq(key) & rows["steps"].eq(recorded["steps"])
    return Replay(row, recorded, dict(rows[same].iloc[0]))  # type: ignore[call-overload]


def _same(comparison: Comparison, backbone: Backbone | None) -> Backbone:
    if backbone is None:
        raise KShotValueError(_UNKNOWN)
    expected = comparison.manifest["backbone"]["fingerprint"]
    if backbone.fingerprint != expected:
        raise KShotValueError(
            f"`backbone` has fingerprint {backbone.fingerprint[:12]}; the comparison was made with "
            f"{comparison.manifest['backbone']['name']!r}, {expected[:12]}."
        )
    # A function has no text that another process would give too: then the numbers have to tell.
    if preprocess_text(backbone) != comparison.manifest["preprocess"]:
        raise KShotValueError(
            f"`backbone` prepares images by {backbone.preprocess}; the comparison was made with "
            f"{comparison.manifest['preprocess'] or 'a function'}."
        )
    return backbone


def _drawn_from(data: Sequence[ImageDataset], episode: Episode) -> ImageDataset:
    if not data:
        raise KShotValueError(_UNKNOWN)
    return next((one for one in data if one.fingerprint == episode.fingerprint), data[0])


def _plain(value: Any) -> Any:
    return (
        list(map(int, value)) if hasattr(value, "__len__") and not isinstance(value, str) else value
    )
