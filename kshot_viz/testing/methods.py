"""The contract of a fine-tuning method, as a suite that anyone can run on their own."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import Episode, sample_episodes
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import finetune
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import method_class, resolve_method
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.saved.save_load import load_classifier, save_classifier

if TYPE_CHECKING:
    import pandas as pd

WAY, SHOT, SIZE = 3, 2, 8
CONFIG = FinetuneConfig(lr=0.02, head_lr=0.1, steps=4)


def check_method(method: str | Method | type[Method]) -> None:
    """Check that a method keeps the contract of :class:`kshot_viz.Method`.

    It runs on a small network and made-up images, in some ten seconds, of which most are the start
    of two worker processes. What is checked: its declaration; clone and JSON round trip; that the
    caller's network stays as it is; that one seed gives one result; that a run which diverges is a
    row; that a longer run stands for a shorter one, unless the method has a schedule; that it
    trains on mini-batches; that one and two processes give the same rows; that the fast path gives
    what the reference loop gives, or is declined; that a tuned network predicts the same when it
    was saved and loaded, or cannot be saved; and that unfit inputs are refused.

    Parameters
    ----------
    method : str, Method or subclass of Method

    Raises
    ------
    AssertionError
        With a sentence that says which part of the contract is broken.
    """
    found = resolve_method(method)
    for check in CHECKS:
        check(_Case(found))


@dataclass(frozen=True)
class _Case:
    """A method with a network and episodes to try it on."""

    method: Method

    @property
    def candidate(self) -> Candidate:
        rule = GroupingRule(n_groups=3) if self.method.shares else None
        return Candidate(rule, CONFIG, self.method)

    def rows(self, backbone: Backbone, candidate: Candidate, **options: Any) -> pd.DataFrame:
        data = _data()
        rows = evaluate(backbone, data, _episodes(data), [candidate], **options)
        return rows.drop(columns="seconds")


def check_declaration(case: _Case) -> None:
    """Check name, label, summary and tuned settings."""
    method = case.method
    cls = type(method)
    _require(dataclasses.is_dataclass(cls), "the class is a frozen dataclass")
    _require(bool(method.name and method.label), "it has a `name` and a `label`")
    _require(bool(method.summary), "the first line of its docstring says what it does")
    for name in method.tuned:
        known = not _refused(partial(case.candidate.setting, name))
        _require(known, f"the tuned setting {name!r} is one of its settings")
    reason = method.applies(_network())
    _require(reason == "", f"it applies to a small convolutional network (it says {reason!r})")


def check_round_trip(case: _Case) -> None:
    """Clone the method, and send it through JSON."""
    method = case.method
    record = json.loads(json.dumps(method.to_dict()))
    again = type(method).from_options(record["options"])
    _require(again.to_dict() == method.to_dict(), "its JSON form rebuilds it")
    _require(dataclasses.replace(method).to_dict() == method.to_dict(), "it can be cloned")
    if method_class(method.name) is type(method):
        rebuilt = Candidate.from_dict(json.loads(json.dumps(case.candidate.to_dict())))
        _require(rebuilt.key == case.candidate.key, "a candidate's JSON form rebuilds it")


def check_network_untouched(case: _Case) -> None:
    """Check that the caller's network stays as it is."""
    backbone = _network()
    before, modules = backbone.fingerprint, str(backbone.module)
    result = _tuned(case, backbone)
    same = backbone.fingerprint == before and str(backbone.module) == modules
    _require(same, "the caller's network stays as it is")
    hooks = any(one._forward_hooks or one._backward_hooks for one in backbone.module.modules())
    _require(not hooks, "no hook is left on the caller's network")
    logits = result.logits(_data().images)
    _require(tuple(logits.shape) == (len(_data()), WAY), "the tuned network returns (N, way)")


def check_seeds(case: _Case) -> None:
    """Check that one seed gives one result."""
    first, second = (_tuned(case, _network()) for _ in range(2))
    images = _data().images
    same = torch.equal(first.logits(images), second.logits(images))
    _require(same and first.losses == second.losses, "the same seed gives the same result")


def check_divergence(case: _Case) -> None:
    """Check that a run that diverges is a row."""
    wild = case.candidate.at(lr=1e38, head_lr=1e38)
    rows = case.rows(_network(), wild)
    lost = rows[rows["status"] != "ok"]
    _require(
        all(one.startswith("diverged") for one in lost["status"]), "a run that diverges is a row"
    )
    _require(bool(lost["accuracy"].eq(1 / WAY).all()), "a run that diverges is scored at chance")


def check_step_counts(case: _Case) -> None:
    """Check that a longer run stands for a shorter one, where the method says so."""
    if case.method.scheduled:
        return
    backbone, shorter = _network(), CONFIG.steps // 2
    served = case.rows(backbone, case.candidate, at_steps=[shorter], path="loop")
    alone = case.rows(backbone, case.candidate.at(steps=shorter), path="loop")
    same = all(served[name].equals(alone[name]) for name in ("predicted", "support_loss"))
    _require(same, "a run is the same whatever number of steps follows (else: sees_total = True)")


def check_mini_batches(case: _Case) -> None:
    """Train on mini-batches; a loss of all images with the targets of some has no fitting shape."""
    if not case.method.takes_steps:
        return
    images = WAY * SHOT
    few = _tuned(case, _network(), config=CONFIG.but(batch_size=images - 2))
    _require(few.status == "ok", "it trains on mini-batches (`batch.rows` says which images)")
    whole = _tuned(case, _network(), config=CONFIG.but(batch_size=images))
    same = whole.losses == _tuned(case, _network()).losses
    _require(same, "a batch of all images is the usual step")


def check_processes(case: _Case) -> None:
    """Compare the rows of one and two processes."""
    here = case.rows(_network(), case.candidate)
    there = case.rows(_network(), case.candidate, executor="processes", workers=2)
    _require(here.equals(there), "one and two processes give the same rows")


def check_fast_path(case: _Case) -> None:
    """Compare the fast path with the reference loop, in float64."""
    backbone = _network(torch.float64)
    if not case.method.batched:
        declined = _refused(lambda: case.rows(backbone, case.candidate, path="fast"))
        _require(declined, "a method with steps of its own declines path='fast'")
        return
    for optimizer in ("sgd", "adam", "adamw"):
        candidate = case.candidate.at(optimizer=optimizer, weight_decay=0.01)
        fast = case.rows(backbone, candidate, path="fast")
        loop = case.rows(backbone, candidate, path="loop")
        close = np.allclose(fast["support_loss"], loop["support_loss"], rtol=1e-9, atol=1e-9)
        same = close and fast["predicted"].equals(loop["predicted"])
        _require(same, f"the fast path gives what the loop gives ({optimizer})")


def check_saving(case: _Case) -> None:
    """Save a tuned network and load it again, where the method is known by its name."""
    if method_class(case.method.name) is not type(case.method):
        return
    backbone, images = _network(), _data().images
    tuned = _tuned(case, backbone)
    with tempfile.TemporaryDirectory() as folder:
        try:
            save_classifier(tuned, folder)
        except KShotValueError:
            # A method whose modules cannot be put in again says so.
            return
        loaded = load_classifier(folder, backbone=backbone)
    same = np.allclose(loaded.predict_proba(images), tuned.predict_proba(images), atol=1e-5)
    _require(same, "a tuned network that was saved predicts the same (else: `rebuild`)")


def check_refusals(case: _Case) -> None:
    """Check that unfit inputs are refused."""
    support, _ = _episodes(_data())[0].split(_data())
    grouping = None if case.method.shares else GroupingRule(n_groups=3)
    attempts: dict[str, Callable[[], Any]] = {
        "an unknown option": lambda: type(case.method).from_options({"no_such_option": 1}),
        "the wrong kind of grouping": lambda: Candidate(grouping, CONFIG, case.method),
        "a support of one class": lambda: _tuned(case, _network(), support.take([0, 1])),
        "a layer that does not exist": lambda: _tuned(
            case, _network(), config=CONFIG.but(layer_lr={"nowhere": 0.5})
        ),
    }
    if type(case.method).attach is not Method.attach:
        del attempts["a layer that does not exist"]
    for what, attempt in attempts.items():
        _require(_refused(attempt), f"{what} is refused with a KShotError")


CHECKS: tuple[Callable[[_Case], None], ...] = (
    check_declaration,
    check_round_trip,
    check_network_untouched,
    check_seeds,
    check_divergence,
    check_step_counts,
    check_mini_batches,
    check_processes,
    check_fast_path,
    check_saving,
    check_refusals,
)


def _require(fine: bool, rule: str) -> None:
    if not fine:
        raise AssertionError(f"A rule of kshot_viz.Method is broken: {rule}.")


def _refused(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except KShotError:
        return True
    return False


def _tuned(
    case: _Case, backbone: Backbone, support: Any = None, config: FinetuneConfig = CONFIG
) -> Any:
    given = _episodes(_data())[0].split(_data())[0] if support is None else support
    grouping = case.candidate.grouping
    return finetune(backbone, given, method=case.method, grouping=grouping, config=config)


def _data() -> ImageDataset:
    """Return noisy images whose class shows in where the bright corner is."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(WAY), 16)
    images = rng.integers(0, 90, (len(targets), SIZE, SIZE, 1), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        image[target : target + 3, target : target + 3] += 150
    return ImageDataset.from_arrays(
        images, targets, classes=[f"c{i}" for i in range(WAY)], name="corners"
    )


def _episodes(data: ImageDataset) -> list[Episode]:
    return sample_episodes(data, way=WAY, shot=SHOT, query=5, n=2, val_share=0, seed=0)


def _network(dtype: torch.dtype = torch.float32) -> Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        ).to(dtype)
        example = torch.rand(2, 1, SIZE, SIZE, dtype=dtype)
    return Backbone(module, example=example, name="check_method's network")
