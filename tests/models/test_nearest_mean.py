from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.nearest_mean import nearest_mean_accuracy, penultimate_features


def noisy_stripes(seed: int = 0) -> ImageDataset:
    """Make three classes, each bright in a row of its own, with noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (60, 32, 32, 1)).astype(np.uint8)
    targets = np.repeat(np.arange(3), 20)
    for c in range(3):
        images[targets == c, 10 * c : 10 * c + 8] += 180
    return ImageDataset.from_arrays(images, targets, classes=["a", "b", "c"], name="stripes")


def test_separable_classes_are_all_right() -> None:
    data = noisy_stripes()
    episodes = sample_episodes(data, way=3, shot=2, n=4)
    scores = nearest_mean_accuracy(nn.Flatten(), data, episodes)
    assert scores.tolist() == [1.0] * 4


def test_agrees_with_the_definition() -> None:
    data = noisy_stripes()
    torch.manual_seed(0)
    net = GlyphNet(4).eval()
    episode = sample_episodes(data, way=2, shot=3, n=1)[0]
    support, query = episode.split(data)

    def features(part: ImageDataset) -> np.ndarray:
        with torch.no_grad():
            x = net(torch.from_numpy(part.images / 255.0).permute(0, 3, 1, 2).float()).double()
        return (x / x.norm(dim=1, keepdim=True)).numpy()

    means = np.stack([features(support)[support.targets == c].mean(0) for c in range(2)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    right = (features(query) @ means.T).argmax(1) == query.targets
    score = nearest_mean_accuracy(net, data, [episode])
    np.testing.assert_allclose(score, [right.mean()])


def test_backbone_features_are_what_the_head_reads() -> None:
    data = noisy_stripes()
    torch.manual_seed(0)
    net = GlyphNet(4).eval()
    direct = penultimate_features(net, data.images)
    backbone = Backbone(net, head="head", example=torch.rand(2, 1, 32, 32))
    torch.testing.assert_close(penultimate_features(backbone, data.images), direct)


class Maps(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * 2


def test_maps_are_pooled_and_the_mode_is_put_back() -> None:
    module = Maps().train()
    features = penultimate_features(module, torch.full((3, 2, 4, 4), 0.5))
    assert features.tolist() == [[1.0, 1.0]] * 3
    assert module.training


def test_episodes_of_other_data_are_refused() -> None:
    episodes = sample_episodes(noisy_stripes(), way=2, shot=1)
    with pytest.raises(KShotValueError, match="belongs to"):
        nearest_mean_accuracy(nn.Flatten(), noisy_stripes(1), episodes)


def test_classes_with_fewer_queries_count_as_much_as_the_others() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (46, 8, 8), dtype=np.uint8)
    data = ImageDataset.from_arrays(pixels, np.repeat([0, 1, 2], [20, 20, 6]))
    episode = sample_episodes(data, way=3, shot=2, n=1, val_share=0.0, min_query=1)[0]
    assert episode.query_counts == (15, 15, 4)
    support, query = episode.split(data)
    noise = np.random.default_rng(0).normal(size=(8 * 8, 3))

    def features(part: ImageDataset) -> np.ndarray:
        rows = part.images.reshape(len(part), -1) / 255.0 @ noise
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    net = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8, 3, bias=False))
    net[1].weight.data = torch.from_numpy(noise.T).float()
    means = np.stack([features(support)[support.targets == c].mean(0) for c in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    right = (features(query) @ means.T).argmax(1) == query.targets
    expected = np.mean([right[query.targets == c].mean() for c in range(3)])
    assert expected != pytest.approx(right.mean())
    np.testing.assert_allclose(nearest_mean_accuracy(net, data, [episode]), [expected])
