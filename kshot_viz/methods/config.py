"""The settings of one fine-tuning run, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from kshot_viz.checks import check, mapping, number, optional, text, whole
from kshot_viz.errors import KShotKeyError, KShotValueError, unknown_name
from kshot_viz.records import plain, record_digest
from kshot_viz.text import counted

# More would take days, and are a mistake.
STEPS = whole(0, most=10**6)
OPTIMIZERS = ("sgd", "adam", "adamw")
# These would give two neurons of one group different steps although their gradients are equal.
MIXING_OPTIMIZERS = ("adafactor", "lamb", "lars", "lbfgs", "muon", "shampoo", "soap")


@dataclass(frozen=True)
class FinetuneConfig:
    """How a network is tuned on the support images, for a fixed number of steps.

    Attributes
    ----------
    optimizer : {"sgd", "adam", "adamw"}
        ``momentum`` belongs to SGD; Adam and AdamW use torch's default betas.
    lr : float
        Step size of the body.
    head_lr : float
        Step size of the new head.
    steps : int
        Number of updates.
    momentum : float
    weight_decay : float
        ``lambda`` of the pull ``lambda (W - W0)`` towards the start, in every method. Coupled to
        the gradient for SGD and Adam, decoupled for AdamW; the new head starts from zero.
    layer_lr : mapping of str to float
        Multiplier of ``lr`` per module name (a layer or a container); 0 freezes it. The longest
        matching name wins.
    others : {"train", "freeze"}
        What happens to parameters outside of the grouping in the grouped method.
    reduce : {"mean", "sum"}
        One averaged gradient per group, or the summed one.
    train_mode : bool
        Dropout and batch statistics on. Off by default: statistics of k images are noise.
    batch_size : int, optional
        Images of a step. Every epoch goes through all support images once, in an order of its own
        that the run's seed draws; the last batch of an epoch may be smaller. By default, and where
        there are no more images, every step uses all of them.
    """

    optimizer: str = "sgd"
    lr: float = 3e-3
    head_lr: float = 0.1
    steps: int = 40
    momentum: float = 0.9
    weight_decay: float = 0.0
    layer_lr: Mapping[str, float] = field(default_factory=dict)
    others: str = "train"
    reduce: str = "mean"
    train_mode: bool = False
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check("layer_lr", self.layer_lr, mapping)
        object.__setattr__(self, "layer_lr", dict(self.layer_lr))
        _check_choice(self, "others", ("train", "freeze"))
        _check_choice(self, "reduce", ("mean", "sum"))
        _check_optimizer(self.optimizer)
        for name in ("lr", "head_lr", "weight_decay", "momentum"):
            check(name, getattr(self, name), number(0))
        for layer, factor in self.layer_lr.items():
            check(f"layer_lr[{layer!r}]", factor, number(0))
        if self.momentum >= 1:
            raise KShotValueError(f"`momentum` must be below 1; not {self.momentum!r}.")
        check("steps", self.steps, STEPS)
        check("batch_size", self.batch_size, optional(whole(1)))
        # Numbers of numpy would be no JSON.
        for one in fields(self):
            object.__setattr__(self, one.name, plain(getattr(self, one.name)))

    def __hash__(self) -> int:
        return hash(self.key)

    def but(self, **changes: Any) -> FinetuneConfig:
        """Return a copy with some settings changed."""
        unknown = set(changes) - {item.name for item in fields(self)}
        if unknown:
            raise unknown_name("setting", sorted(unknown)[0], [item.name for item in fields(self)])
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record = asdict(self)
        if self.batch_size is None:
            # So records and keys are those of before there were batches.
            del record["batch_size"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> FinetuneConfig:
        """Rebuild a config; unknown settings are a KShotKeyError."""
        return cls().but(**record)

    @property
    def summary(self) -> str:
        """Step sizes, steps, multipliers and frozen layers in words, and whatever is unusual."""
        usual = FinetuneConfig()
        rest = [
            f"{one.name} {getattr(self, one.name)}"
            for one in fields(self)
            if one.name not in _SAID and getattr(self, one.name) != getattr(usual, one.name)
        ]
        scaled = [f"{layer} ×{factor:g}" for layer, factor in self.layer_lr.items() if factor]
        frozen = [layer for layer, factor in self.layer_lr.items() if not factor]
        words = [f"lr {self.lr:g}", f"head_lr {self.head_lr:g}", counted(self.steps, "step")]
        words += [*rest, *_few(scaled, "more multipliers")]
        return ", ".join([*words, *(["frozen: " + ", ".join(_few(frozen, "more"))] * bool(frozen))])

    @property
    def key(self) -> str:
        """A short digest of all settings, the same on every machine."""
        return record_digest(self.to_dict(), 12)


# What a summary says anyway, and how many layers it names.
_SAID, _NAMED = ("lr", "head_lr", "steps", "layer_lr"), 4


def _few(words: list[str], more: str) -> list[str]:
    left = len(words) - _NAMED
    if left <= 1:
        return words
    return [*words[:_NAMED], f"{left} {more}"]


def _check_choice(config: FinetuneConfig, name: str, allowed: tuple[str, ...]) -> None:
    check(name, getattr(config, name), text)
    if getattr(config, name) not in allowed:
        raise unknown_name(name, getattr(config, name), allowed)


def _check_optimizer(name: object) -> None:
    check("optimizer", name, text)
    if str(name).lower() in MIXING_OPTIMIZERS:
        raise KShotKeyError(
            f"`optimizer` {name!r} mixes the entries of a tensor, so neurons of one group would "
            f"drift; it must be one of {', '.join(map(repr, OPTIMIZERS))}."
        )
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
