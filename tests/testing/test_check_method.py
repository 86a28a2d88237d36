"""The public contract of methods: kept by every method of this library, and able to fail."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

import kshot_viz as kv
from kshot_viz.methods import registry
from kshot_viz.methods.hooks import Batch
from kshot_viz.methods.registry import method_class
from kshot_viz.testing import check_method

METHODS = [
    "head_only",
    "last_block",
    "plain",
    "grouped",
    "shuffled",
    "weight_groups",
    "adafilter",
    "bitfit",
    "input_groups",
    "regrouped",
    "signed_groups",
    "soft_groups",
]


def test_every_method_is_checked():
    # Those of the folder `rivals` are in tests/methods/test_rivals_contract.py.
    known = [name for name in kv.list_methods() if ".rivals." not in method_class(name).__module__]
    assert sorted(known) == sorted(METHODS)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_methods_of_this_library_keep_the_contract(name):
    check_method(name)


@pytest.mark.slow
def test_a_head_that_starts_at_the_class_means_keeps_the_contract():
    check_method(kv.Candidate(None, method="plain").at(head=kv.HeadInit("class_means")).method)


@dataclass(frozen=True)
class Noisy(kv.Method):
    """Draws from the global generator, so that no run can be repeated."""

    name = "noisy"
    label = "noisy"

    def loss(self, network: kv.Backbone, batch: Batch) -> torch.Tensor:
        return super().loss(network, batch) * torch.rand(())


@dataclass(frozen=True)
class Boastful(kv.Method):
    """Tunes a setting that it does not have."""

    name = "boastful"
    label = "boastful"
    tuned = ("temperature",)


@dataclass(frozen=True)
class Silent(kv.Method):
    name = "silent"
    label = "silent"


class Vandal(kv.Method):
    """Changes the network that it is asked about."""

    name = "vandal"
    label = "vandal"

    def applies(self, backbone):
        with torch.no_grad():
            next(backbone.module.parameters()).add_(1.0)
        return ""


def negated(module, args, output):
    return -output


class Forgetful(kv.Method):
    """Negates what the network says, which no saved weight tells."""

    name = "forgetful"
    label = "forgetful"

    def attach(self, network, setup):
        slots = super().attach(network, setup)
        network.module.register_forward_hook(negated)
        return slots


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(registry._METHODS, Forgetful.name, Forgetful)


@pytest.mark.usefixtures("registered")
def test_a_saved_network_that_predicts_something_else_is_found():
    with pytest.raises(AssertionError, match="was saved predicts the same"):
        check_method(Forgetful)


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (Noisy, "the same seed gives the same result"),
        (Boastful, "the tuned setting 'temperature'"),
        (Silent, "docstring"),
        (Vandal, "the caller's network stays as it is"),
    ],
)
def test_a_broken_method_is_found(method, rule):
    with pytest.raises(AssertionError, match=rule):
        check_method(method)
