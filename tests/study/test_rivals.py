"""Rivals that are alike in part: equal settings, edited code, schedules, other options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from networks import toy_backbone

import kshot_viz as kv
from kshot_viz.methods import registry
from kshot_viz.methods.slots import plan_slots
from kshot_viz.study.compare import compare_methods

GRID = kv.TuningGrid(lrs=(0.05,), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(2, 4))


@dataclass(frozen=True)
class Decaying(kv.Method):
    """Step sizes fall to zero at the last step."""

    name = "decaying"
    label = "decaying"

    def schedule(self, network, step):
        for name in step.lr:
            step.lr[name] *= 1 - step.number / step.total


def test_a_schedule_is_tuned_as_it_is_tested(backbone, data, episodes):
    methods = ["plain", Decaying()]
    part = compare_methods(backbone, data, episodes[:1], methods=methods, grid=GRID, n_val=1)
    full = compare_methods(
        backbone, data, episodes[:1], methods=methods, grid=GRID, n_val=1, full=True
    )
    keys = ["method", "episode", "pool", "steps", "lr"]
    wanted = part.frame.set_index(keys).support_loss
    assert wanted.equals(full.frame.set_index(keys).support_loss[wanted.index])


def test_equal_settings_under_two_names_stay_two_rivals(backbone, data, episodes):
    again = kv.Candidate(None, method="head_only", name="searched")
    found = compare_methods(
        backbone, data, episodes[:2], methods=["plain", "head_only", again], grid=GRID, n_val=1
    )
    summary = found.summary().set_index("method")
    assert summary.accuracy["head_only"] == summary.accuracy["searched"]
    assert all(found.called(name) for name in ("plain", "head_only", "searched"))
    for row in range(len(found.frame)):
        if found.frame.method[row] == "searched":
            assert found.replay(row).identical


def edited(factor):
    """The same class as a cell defines it before and after an edit."""
    names = {"kv": kv, "dataclass": dataclass, "__name__": "__main__"}
    exec(
        "@dataclass(frozen=True)\nclass Mine(kv.Method):\n"
        "    name, label = 'mine', 'mine'\n"
        "    def loss(self, network, batch):\n"
        f"        return {factor} * super().loss(network, batch)",
        names,
    )
    return names["Mine"]()


def test_kept_rows_are_not_those_of_edited_code(backbone, data, episodes, tmp_path):
    def losses(factor, **more):
        candidate = kv.Candidate(None, kv.FinetuneConfig(steps=2), edited(factor))
        return list(kv.evaluate(backbone, data, episodes[:1], [candidate], **more).support_loss)

    store = tmp_path / "rows.jsonl"
    assert losses(1.0, store=store) == losses(1.0)
    assert losses(3.0, store=store) == losses(3.0) != losses(1.0)
    assert len(store.read_text().splitlines()) == 2


@dataclass(frozen=True)
class Careful(kv.Method):
    """The body stays where there is decay, and so does a network that is too small."""

    name = "careful"
    label = "careful"
    size: int = 1

    def applies(self, backbone):
        return "too big" if self.size > 1 else ""

    def trained(self, network, layers, config):
        return () if config.weight_decay else super().trained(network, layers, config)


def test_what_trains_is_not_shared_by_unlike_settings(backbone, data, episodes):
    one = kv.Candidate(None, kv.FinetuneConfig(steps=2), Careful())
    rows = kv.evaluate(backbone, data, episodes[:1], [one, one.at(weight_decay=0.1)])
    assert list(rows.path) == ["whole", "head"]


def test_every_object_says_whether_it_applies(backbone, data, episodes):
    both = [kv.Candidate(None, method=Careful(size)) for size in (2, 1)]
    with pytest.raises(kv.KShotError, match="too big"):
        kv.evaluate(backbone, data, episodes[:1], both)


def test_names_of_parameters_may_come_one_by_one():
    network = toy_backbone().with_new_head(3)
    config = kv.FinetuneConfig()
    every = (name for name, _ in network.module.named_parameters())
    assert len(plan_slots(network, every, (), config)) > 4
    assert len(plan_slots(network, "conv.weight", (), config)) == 3


def test_a_misspelt_slot_in_a_schedule_is_refused(backbone, data):
    class Misspelt(Decaying):
        def schedule(self, network, step):
            step.lr["conv.weihgt"] = 0.0

    support = data.take(range(0, 72, 12))
    with pytest.raises(kv.KShotError, match=r"`step.lr` must be one of"):
        kv.finetune(backbone, support, method=Misspelt(), config=kv.FinetuneConfig(steps=1))


@pytest.mark.parametrize("path", ["loop", "fast"])
@pytest.mark.parametrize("size", [-0.1, float("nan"), float("inf"), None])
def test_step_sizes_that_are_none_are_refused(backbone, data, episodes, path, size):
    class Wrong(Decaying):
        def schedule(self, network, step):
            name = next(iter(step.lr))
            if size is None:
                del step.lr[name]
            else:
                step.lr[name] = size

    tried = [kv.Candidate(None, kv.FinetuneConfig(steps=1), Wrong())]
    with pytest.raises(kv.KShotError, match=r"`step.lr` needs finite sizes"):
        kv.evaluate(backbone, data, episodes[:1], tried, path=path)


@pytest.mark.parametrize(
    "namespace", [{"momentum": 0.5, "__annotations__": {"momentum": float}}, {"tuned": ("steps",)}]
)
def test_options_do_not_hide_settings(namespace):
    cls = dataclass(frozen=True)(type("Hiding", (Decaying,), dict(namespace)))
    with pytest.raises(kv.KShotError, match=r"FinetuneConfig|number of steps"):
        cls()


def test_a_method_that_changed_since_can_be_read(data, monkeypatch):
    kv.list_methods()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    record = kv.Candidate(None, method=replace(Careful(), size=1)).to_dict()
    record["method"] = {"name": "careful", "options": {"width": 3}}
    kv.register_method(Careful)
    stored = kv.Candidate.from_dict(record)
    assert stored.to_dict() == record
    with pytest.raises(kv.KShotError, match=r"another one now.*'width'"):
        kv.finetune(toy_backbone(), data.take(range(0, 72, 12)), method=stored.method)


@dataclass(frozen=True)
class Elsewhere(kv.Method):
    """Trains what this network does not have."""

    name = "elsewhere"
    label = "elsewhere"

    def applies(self, backbone):
        return "it has no <tokens>"


def test_what_does_not_apply_is_said_and_the_others_run(backbone, data, episodes, tmp_path):
    methods = ["plain", Elsewhere()]
    options = {"grid": GRID, "n_val": 1}
    found = compare_methods(backbone, data, episodes[:1], methods=methods, **options)
    assert list(found.settings["method"]) == ["plain"]
    assert "Not applicable to this network: elsewhere (it has no <tokens>)." in str(found)
    loaded = kv.Comparison.load(found.save(tmp_path))
    assert loaded.manifest["not_applicable"] == {"elsewhere": "it has no <tokens>"}
    assert "(it has no &lt;tokens&gt;)" in loaded._repr_html_()
    with pytest.raises(kv.KShotError, match="None of the methods can tune"):
        compare_methods(backbone, data, episodes[:1], methods=methods[1:], **options)


def test_a_ready_candidate_is_tuned_with_its_own_settings_too(backbone, data, episodes):
    own = kv.Candidate(None, kv.FinetuneConfig(lr=0.02, head_lr=0.3, steps=7), name="mine")
    methods = ["plain", own]
    found = compare_methods(backbone, data, episodes[:1], methods=methods, grid=GRID, n_val=1)
    tried = found.frame[found.frame["pool"] == "val"].groupby("method")
    assert set(tried.get_group("mine")["lr"]) == {0.02, 0.05}
    assert set(tried.get_group("plain")["lr"]) == {0.05}
    full = compare_methods(
        backbone, data, episodes[:1], methods=methods, grid=GRID, n_val=1, full=True
    )
    assert not full.frame.duplicated(["method", "pool", "episode", "candidate", "steps"]).any()
