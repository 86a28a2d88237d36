from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotKeyError
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.modules.labels2adaptation import Labels2Adaptation, LayerChange
from kshot_viz.words.modules.labels2head import Labels2Head
from kshot_viz.words.modules.tokens2label import Tokens2Label

LAYERS = {"first": (4, 9), "second": (3, 36)}


def encoder(adapt: str | None = None) -> WordsEncoder:
    made = WordsEncoder(Tokens2Label(9, 8), 5, width=8, layers=LAYERS, adapt=adapt, rank=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def parts(change: LayerChange) -> list[torch.Tensor]:
    return [part for part in vars(change).values() if part is not None]


@given(st.permutations(range(6)))
def test_permuted_classes_give_permuted_logits(order):
    net, tokens = encoder(), torch.randint(1, 10, (1, 6, 4))
    features = torch.randn(1, 7, 5)
    with torch.no_grad():
        logits = net.head.logits(net.prototypes(tokens), features)
        permuted = net.head.logits(net.prototypes(tokens[:, list(order)]), features)
    torch.testing.assert_close(permuted, logits[..., list(order)], atol=1e-5, rtol=0)


@pytest.mark.parametrize("adapt", ["scale_shift", "low_rank"])
def test_the_order_of_classes_does_not_matter_to_the_changes(adapt):
    net, tokens = encoder(adapt), torch.randint(1, 10, (6, 4))
    with torch.no_grad():
        first, second = net.changes(tokens), net.changes(tokens.flip(0))
    for layer in LAYERS:
        for one, other in zip(
            vars(first[layer]).values(), vars(second[layer]).values(), strict=True
        ):
            if one is not None:
                torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_a_class_takes_the_others_into_account():
    net, tokens = encoder(), torch.randint(1, 10, (1, 6, 4))
    with torch.no_grad():
        alone, among = net.prototypes(tokens[:, :2]), net.prototypes(tokens)
    assert (alone[0, 0] - among[0, 0]).abs().max() > 1e-4


@given(st.integers(1, 4))
def test_padding_changes_nothing(more):
    net, tokens = Tokens2Label(9, 8).eval(), torch.randint(1, 10, (3, 4))
    padded = torch.cat([tokens, torch.zeros(3, more, dtype=torch.int64)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(net(padded), net(tokens), atol=1e-5, rtol=0)


def test_a_description_without_a_known_word_gives_numbers():
    with torch.no_grad():
        found = Tokens2Label(9, 8).eval()(torch.tensor([[0, 0], [1, 0]]))
    assert torch.isfinite(found).all()


def test_logits_are_those_of_the_nearest_prototype_and_fold_into_a_linear_head():
    head = Labels2Head(8, 5)
    head.mean.copy_(torch.randn(5))
    head.std.copy_(torch.rand(5) + 0.5)
    prototypes, features = torch.randn(4, 5), torch.randn(20, 5)
    standard = head.standardise(features)
    logits = head.logits(prototypes, standard)
    nearest = torch.cdist(standard, prototypes).argmin(dim=1)
    assert torch.equal(logits.argmax(dim=1), nearest)
    weight, bias = head.linear(prototypes)
    torch.testing.assert_close(features @ weight.T + bias, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["scale_shift", "low_rank"])
def test_changes_start_as_none_and_can_learn(kind):
    net = Labels2Adaptation(LAYERS, 8, kind=kind, rank=2)
    changes = net(torch.randn(6, 8))
    for (channels, inputs), change in zip(LAYERS.values(), changes.values(), strict=True):
        if kind == "scale_shift":
            assert torch.equal(change.scale, torch.ones(channels))
            assert torch.equal(change.shift, torch.zeros(channels))
        else:
            assert torch.equal(change.delta, torch.zeros(channels, inputs))
    sum(
        part.sum() for one in changes.values() for part in vars(one).values() if part is not None
    ).backward()
    assert all(linear.weight.grad.abs().max() > 0 for linear in net.out)


def test_another_kind_of_change_is_named():
    with pytest.raises(KShotKeyError, match="low_rank"):
        Labels2Adaptation(LAYERS, 8, kind="low rank", rank=2)
