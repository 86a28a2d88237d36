"""Settings of any name are tuned: fields of the config, and options of a method's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

import kshot_viz as kv
from kshot_viz.study.compare import compare_methods

GRID = kv.TuningGrid(lrs=(0.01, 0.1), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(2, 4))


@dataclass(frozen=True)
class Damped(kv.Method):
    """All parameters train, by a loss that is scaled."""

    name = "damped"
    label = "damped"
    tuned = ("scale", "momentum", "head_lr")
    tries: ClassVar = {"scale": (0.1, 1.0), "momentum": (0.0, 0.9)}
    scale: float = 1.0

    def loss(self, network, batch):
        return self.scale * super().loss(network, batch)


@pytest.mark.slow
def test_options_and_fields_of_the_config_are_chosen(backbone, data, episodes, tmp_path):
    found = compare_methods(
        backbone, data, episodes[:2], methods=["plain", Damped()], grid=GRID, n_val=2
    )
    val = found.frame[(found.frame.pool == "val") & (found.frame.method == "damped")]
    assert val.setting.nunique() == 4
    chosen = found.settings.set_index("method").loc["damped"]
    (one,) = found.called("damped", setting=chosen.setting)[:1]
    means = val.groupby(["setting", "steps"]).accuracy.mean()
    assert means[chosen.setting, chosen.steps] == means.max()
    test = found.frame[(found.frame.pool == "test") & (found.frame.method == "damped")]
    assert set(test.setting) == {chosen.setting}
    tried = {found.candidates[key].method.scale for key in test.candidate}
    assert tried == {one.method.scale} == set(test.step_size)
    assert found.replay(int(test.index[0])).identical
    found.save(tmp_path)
    assert kv.Comparison.load(tmp_path).summary().equals(found.summary())


def test_values_are_needed_for_settings_of_ones_own():
    bare = kv.Candidate(None, method=type("Bare", (Damped,), {"name": "bare", "tries": {}})())
    with pytest.raises(kv.KShotError, match=r"TuningGrid\(others=\{'scale': \(...\)\}\)"):
        GRID.candidates(bare)
