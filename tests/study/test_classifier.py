"""The scikit-learn estimator: scikit-learn's own checks, then images."""

from __future__ import annotations

import copy

import joblib
import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.classifier import KShotClassifier


class AnyWidth(nn.Module):
    """Takes vectors of any length: adaptive pooling, then two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool1d(16)
        self.body = nn.Linear(16, 64)
        self.head = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(self.pool(x.unsqueeze(1)).flatten(1))))


def any_width() -> KShotClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = AnyWidth().double()
    backbone = Backbone(module, head="head", example=torch.rand(2, 5, dtype=torch.float64))
    return KShotClassifier(backbone, method="grouped", n_groups=0.5, optimizer="adam", lr=0.01)


# Checks that cannot pass, and why.
EXPECTED = {
    "check_estimators_overwrite_params": (
        "compares joblib hashes of a parameter and of its deep copy, which differ for any nn.Module"
    ),
}


def test_the_reason_for_the_expected_failure_holds():
    module = AnyWidth()
    assert joblib.hash(module) != joblib.hash(copy.deepcopy(module))
    backbone = any_width().backbone
    before = joblib.hash(backbone)
    KShotClassifier(backbone, method="grouped", n_groups=0.5).fit(
        np.random.default_rng(0).random((6, 3)), [0, 1] * 3
    )
    assert joblib.hash(backbone) == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_scikit_learns_own_checks():
    results = check_estimator(any_width(), expected_failed_checks=EXPECTED, on_fail=None)
    by_status: dict[str, set[str]] = {}
    for result in results:
        by_status.setdefault(result["status"], set()).add(result["check_name"])
    assert by_status.get("failed", set()) == set()
    assert by_status["xfail"] == set(EXPECTED)
    assert len(by_status["passed"]) >= 40


@pytest.fixture(scope="module")
def images():
    return toy_data(3, 8)


def classifier(**changes):
    return KShotClassifier(
        toy_backbone(), **{"method": "grouped", "lr": 0.02, "head_lr": 0.3, **changes}
    )


def test_string_labels_and_shapes(images):
    fitted = classifier().fit(images.images, images.labels)
    assert fitted.classes_.tolist() == list(images.classes)
    assert set(fitted.predict(images.images)) <= set(images.classes)
    assert fitted.predict_proba(images.images).shape == (24, 3)
    assert fitted.score(images.images, images.labels) > 0.6


def test_every_form_of_images_gives_the_same(images):
    forms = {
        "array": images.images,
        "tensor": torch.from_numpy(images.images).permute(0, 3, 1, 2).float() / 255,
        "pil": [Image.fromarray(image[..., 0]) for image in images.images],
        "data set": images,
    }
    found = {n: classifier().fit(f, images.labels).predict(f).tolist() for n, f in forms.items()}
    assert len({tuple(answer) for answer in found.values()}) == 1


@pytest.mark.parametrize("given", [{"n_groups": 0.5}, {"lr": 0.1}, {"steps": 3}])
def test_settings_that_a_recommendation_would_not_use_are_refused(images, given):
    with pytest.raises(KShotValueError, match=rf"`{next(iter(given))}` is not used .*'grouped'"):
        KShotClassifier(toy_backbone(), **given).fit(images.images, images.labels)


def test_images_of_another_size_are_resized_as_those_of_the_fit(images):
    small = images.images
    fitted = KShotClassifier(method="head_only", steps=1).fit(small, images.labels)
    assert not hasattr(fitted, "n_features_in_")
    larger = np.kron(small[:2], np.ones((1, 2, 2, 1), small.dtype))
    assert fitted.predict([small[0], larger[0]]).shape == fitted.predict(larger).shape == (2,)
    assert fitted.predict([torch.from_numpy(small[0]).permute(2, 0, 1)]).shape == (1,)


def test_a_grouping_that_would_not_be_used_is_refused(images):
    backbone = toy_backbone()
    asked = KShotClassifier(backbone, method="plain", grouping=Grouping.one_group(backbone))
    with pytest.raises(KShotValueError, match="leave out `grouping=`"):
        asked.fit(images.images, images.labels)


def test_clone_shares_settings(images):
    original = classifier(n_groups=0.5, method="plain")
    cloned = clone(original)
    assert cloned is not original
    assert cloned.get_params()["n_groups"] == 0.5
    cloned.fit(images.images, images.labels)
    with pytest.raises(NotFittedError):
        original.predict(images.images)


def test_cross_validation(images):
    scores = cross_val_score(classifier(steps=20), images.images, images.labels, cv=2)
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


def test_cross_validation_on_pil_images(images):
    pictures = [Image.fromarray(image[..., 0]) for image in images.images]
    assert len(cross_val_score(classifier(steps=5), pictures, images.labels, cv=2)) == 2


def test_grid_search_over_the_number_of_groups(images):
    search = GridSearchCV(classifier(steps=10), {"n_groups": [1, 0.5, 1.0]}, cv=2)
    search.fit(images.images, images.labels)
    assert search.best_params_["n_groups"] in (1, 0.5, 1.0)


def test_a_given_grouping_is_used(images):
    backbone = toy_backbone()
    grouping = Grouping.one_group(backbone)
    fitted = KShotClassifier(backbone, method="grouped", grouping=grouping, steps=2).fit(
        images.images, images.labels
    )
    assert fitted.grouping_ is grouping


def test_a_diverged_fit_still_answers(images):
    fitted = classifier(method="plain", steps=3)
    with pytest.warns(ConvergenceWarning, match="diverged at step"):
        fitted.set_params(lr=1e12).fit(images.images, images.labels)
    assert np.allclose(fitted.predict_proba(images.images), 1 / 3)
    assert fitted.result_.diverged
    assert set(fitted.predict(images.images)) == {images.classes[0]}


def test_what_is_recommended_is_fitted(images):
    few = images.take([i for c in range(3) for i in np.flatnonzero(images.targets == c)[:2]])
    fitted = KShotClassifier(toy_backbone(), random_state=2).fit(few.images, few.labels)
    advice = fitted.recommendation_
    assert fitted.result_.method == advice.method
    assert fitted.result_.config == advice.config
    assert advice.estimate.images == 6
    assert advice.seed == 2
    assert set(fitted.predict(images.images)) <= set(images.classes)
    assert classifier(steps=1).fit(few.images, few.labels).recommendation_ is None
