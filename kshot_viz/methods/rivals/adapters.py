"""Adapters of the library peft.

LoRA (Hu et al., ICLR 2022), DoRA (Liu et al., ICML 2024) and IA3 (Liu et al., NeurIPS 2022).
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import nn

from kshot_viz.checks import check, number, whole
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot, layer_steps, plan_slots
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import child_seed

ADAPTER = "adapter"


@dataclass(frozen=True)
class Adapters(Method):
    """The head trains, and what peft puts beside each layer; the body stays as it is."""

    sees_total: ClassVar[bool] = False
    kinds: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

    def applies(self, backbone: Backbone) -> str:
        """Return that peft is missing, or that no layer can take an adapter."""
        if find_spec("peft") is None:
            return "it needs the package peft, which `pip install 'kshot-viz[peft]'` installs"
        return "" if self.adapted(backbone) else f"it has no layer that {self.name} adapts"

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return no parameter that the body has."""
        return ()

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Let peft wrap the layers in place, and return what it added."""
        slots = super().attach(network, setup)
        config, known = setup.config, {id(one) for one in network.module.parameters()}
        everything = super().trained(network, (), config)
        factors = layer_steps(network, plan_slots(network, everything, (), config), config)
        adapted = [name for name in self.adapted(network) if factors[name] > 0]
        if adapted:
            self._inject(network.module, adapted)
        return [
            *slots,
            *(
                Slot(f"{layer}.{name}", one, config.lr * factors[layer])
                for layer in adapted
                for name, one in network.module.get_submodule(layer).named_parameters()
                if id(one) not in known
            ),
        ]

    @classmethod
    def merged(cls, network: Backbone) -> Backbone:
        """Return a copy with the adapters added to its weights, which computes the same."""
        if find_spec("peft") is None:
            # There is no adapter then.
            return network
        with _nothing_left_behind():
            from peft.tuners.tuners_utils import BaseTunerLayer
        found = copy.deepcopy(network)
        for name in found.layers:
            layer = found.module.get_submodule(name)
            if isinstance(layer, BaseTunerLayer):
                layer.merge()
                found.module.set_submodule(name, layer.get_base_layer())
        return found

    def adapted(self, backbone: Backbone) -> list[str]:
        """Return the layers of the body that get an adapter."""
        every = [one for _, one in backbone.module.named_modules(remove_duplicate=False)]
        found = {name: backbone.module.get_submodule(name) for name in backbone.layers}
        return [
            name
            for name, one in found.items()
            # peft wraps one name of a module alone, and takes a class of its own for its base.
            if type(one) in self.kinds and self.fits(one) and _count(one, every) == 1
        ]

    def fits(self, layer: Any) -> bool:
        """Return whether peft computes with a layer's own settings."""
        # A convolution of several groups takes ranks that are their multiples alone.
        padded = getattr(layer, "padding_mode", "zeros")
        return getattr(layer, "groups", 1) == 1 and padded == "zeros"

    def adapter_config(self, peft: Any, targets: str) -> Any:
        """Return peft's own settings, for layers whose names match a pattern."""
        raise NotImplementedError

    def adapter_seed(self) -> int:
        """Return the seed of where adapters start."""
        return 0

    def _inject(self, module: nn.Module, layers: list[str]) -> None:
        with _nothing_left_behind():
            import peft
        targets = "|".join(re.escape(name) for name in layers)
        with torch.random.fork_rng():
            torch.manual_seed(child_seed(self.adapter_seed(), "adapters"))
            config = self.adapter_config(peft, targets)
            peft.inject_adapter_in_model(config, module, adapter_name=ADAPTER)


@register_method
@dataclass(frozen=True)
class LoRA(Adapters):
    """A product of two narrow matrices is added to each layer's weight; it and the head train.

    Attributes
    ----------
    rank : int
        Of that product.
    scaling : float
        What it is multiplied by (``lora_alpha`` over the rank).
    factor_seed : int
        Of the first factor; the second starts at zero.
    """

    directions: ClassVar[bool] = False

    name = "lora"
    label = "lora"
    rank: int = 4
    scaling: float = 1.0
    factor_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check("rank", self.rank, whole(1))
        check("scaling", self.scaling, number(0, above=True))
        check("factor_seed", self.factor_seed, whole(0))

    def adapter_config(self, peft: Any, targets: str) -> Any:
        """Return the settings of low-rank factors."""
        return peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.scaling * self.rank,
            target_modules=targets,
            use_dora=self.directions,
        )

    def adapter_seed(self) -> int:
        """Return the seed of the first factor."""
        return self.factor_seed

    def fits(self, layer: Any) -> bool:
        """Return whether peft's first factor reads what a layer reads: it is never dilated."""
        return super().fits(layer) and set(getattr(layer, "dilation", ())) <= {1}


@register_method
@dataclass(frozen=True)
class DoRA(LoRA):
    """As LoRA, with the length of each neuron's weights trained beside their direction."""

    directions: ClassVar[bool] = True

    name = "dora"
    label = "dora"

    def fits(self, layer: Any) -> bool:
        """Return whether each neuron's weights have a direction: those of a dead one have none."""
        lengths = torch.linalg.vector_norm(layer.weight.detach().flatten(1), dim=1)
        return super().fits(layer) and bool((lengths > 0).all())


@register_method
@dataclass(frozen=True)
class IA3(Adapters):
    """Each neuron's output is multiplied by a number that trains, as does the head."""

    name = "ia3"
    label = "ia3"
    kinds: ClassVar[tuple[type[nn.Module], ...]] = (nn.Linear, nn.Conv2d, nn.Conv3d)

    def adapter_config(self, peft: Any, targets: str) -> Any:
        """Return the settings of factors on outputs."""
        return peft.IA3Config(target_modules=targets, feedforward_modules=[])


def _count(module: nn.Module, modules: list[nn.Module]) -> int:
    return sum(module is one for one in modules)


@contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """Take back filters of warnings and environment variables that an import sets."""
    before = dict(os.environ)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
