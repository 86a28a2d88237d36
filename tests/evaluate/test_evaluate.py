"""Law 7: the rows depend on the request alone. And what a store keeps."""

from __future__ import annotations

import json
import os
from importlib import import_module

import pandas as pd
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

from kshot_viz.errors import KShotError
from kshot_viz.evaluate import executors
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.rows import class_mean
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import finetune
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import Backbone

CONFIG = FinetuneConfig(lr=0.02, steps=6)


def candidates():
    return [
        Candidate(GroupingRule(n_groups=0.5), CONFIG),
        Candidate(GroupingRule(n_groups=0.5, shuffled=True), CONFIG, name="shuffled"),
        Candidate(GroupingRule(n_groups=2, groups_from="weights"), CONFIG, name="weights"),
        Candidate(None, CONFIG),
        Candidate(None, CONFIG, method="head_only"),
    ]


def same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    return first.drop(columns="seconds").equals(second.drop(columns="seconds"))


def test_one_row_per_candidate_and_episode(data, episodes):
    rows = evaluate(toy_backbone(), data, episodes, candidates())
    assert len(rows) == 5 * 3
    assert list(rows.episode[:5]) == ["test/0"] * 5
    assert set(rows.status) == {"ok"}
    assert rows.n_query.eq(15).all()
    assert rows.accuracy.between(0, 1).all()


def test_a_row_is_what_finetune_gives(data, episodes):
    backbone = toy_backbone()
    grouping = Grouping.one_group(backbone)
    row = evaluate(backbone, data, episodes[:1], [Candidate(grouping, CONFIG)]).iloc[0]
    support, query = episodes[0].split(data)
    result = finetune(backbone, support, grouping=grouping, config=CONFIG)
    assert row.accuracy == result.score(query.images, query.labels)
    assert row.support_loss == pytest.approx(result.losses[-1], rel=1e-6)


class _Heard:
    """A callback: the runs that it was told of, and the processes in which that happened."""

    def __init__(self):
        self.runs, self.processes = [], set()

    def on_row(self, row):
        self.runs.append(row["run"])
        self.processes.add(os.getpid())


@pytest.mark.slow
def test_processes_give_the_same_rows(data, episodes):
    backbone = toy_backbone()
    here = evaluate(backbone, data, episodes, candidates())
    for workers in (1, 2):
        heard = _Heard()
        options = {"executor": "processes", "workers": workers, "callbacks": [heard]}
        there = evaluate(backbone, data, episodes, candidates(), **options)
        assert same(here, there)
        assert sorted(heard.runs) == sorted(there.run)
        assert heard.processes == {os.getpid()}


def test_order_and_company_do_not_matter_to_the_reference(data, episodes):
    backbone = toy_backbone()
    together = evaluate(backbone, data, episodes, candidates(), path="loop")
    alone = evaluate(backbone, data, [episodes[2]], [candidates()[1]], path="loop")
    match = together[(together.episode == "test/2") & (together.method == "shuffled")]
    assert same(match.reset_index(drop=True), alone)


def test_one_run_serves_all_step_counts(data, episodes):
    backbone = toy_backbone()
    both = evaluate(backbone, data, episodes, [Candidate(None, CONFIG)], at_steps=(2, 6))
    for steps in (2, 6):
        alone = evaluate(backbone, data, episodes, [Candidate(None, CONFIG.but(steps=steps))])
        part = both[both.steps == steps].reset_index(drop=True)
        assert part.accuracy.equals(alone.accuracy)
        assert part.predicted.equals(alone.predicted)


def test_a_diverged_run_is_scored_at_chance_and_alone(data, episodes):
    wild = Candidate(None, CONFIG.but(lr=1e12), name="wild")
    rows = evaluate(
        toy_backbone(), data, episodes, [wild, Candidate(None, CONFIG)], at_steps=(1, 6)
    )
    last = rows[rows.steps == 6]
    assert last[last.method == "wild"].status.str.fullmatch(r"diverged at step \d").all()
    assert last[last.method == "wild"].accuracy.eq(1 / 3).all()
    assert last[last.method == "plain"].status.eq("ok").all()


def test_an_interrupted_run_goes_on(tmp_path, data, episodes, monkeypatch):
    backbone, store = toy_backbone(), tmp_path / "rows.jsonl"
    whole = evaluate(backbone, data, episodes, candidates())
    real, calls = executors.run_job, []

    def interrupted(task):
        calls.append(task.key)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(executors, "run_job", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(backbone, data, episodes, candidates(), store=store)
    kept = [json.loads(line)["job"] for line in store.read_text().splitlines()]
    assert kept == calls[:3]
    store.write_text(store.read_text() + '{"job": "torn')
    calls.clear()
    calls.extend([""] * 10)
    resumed = evaluate(backbone, data, episodes, candidates(), store=store)
    jobs = whole.job.nunique()
    assert len(calls) == 10 + jobs - 3
    assert same(whole, resumed)
    again = evaluate(backbone, data, episodes, candidates(), store=store)
    assert len(calls) == 10 + jobs - 3
    assert again.equals(resumed)


def test_a_function_is_known_by_what_it_does(tmp_path, data, episodes):
    """As the preprocess of a network; its name and its address tell nothing."""

    def rows(preprocess):
        net = Backbone(toy_backbone().module, head="head", preprocess=preprocess)
        return evaluate(
            net, data, episodes[:1], [Candidate(None, CONFIG)], store=tmp_path / "rows.jsonl"
        )

    first = rows(lambda images: images * 2)
    again = rows(lambda images: images + images)
    other = rows(lambda images: images * 3)
    assert first.equals(again)
    assert set(first.run).isdisjoint(other.run)


def test_rows_of_another_version_are_made_anew(tmp_path, data, episodes, monkeypatch):
    request = (toy_backbone(), data, episodes[:1], candidates()[-1:])
    store = tmp_path / "rows.jsonl"
    evaluate(*request, store=store)
    monkeypatch.setattr(import_module("kshot_viz.evaluate.network_key"), "__version__", "99.0")
    evaluate(*request, store=store)
    assert len(store.read_text().splitlines()) == 2


def test_a_bar_carries_its_title(capsys, data, episodes):
    evaluate(toy_backbone(), data, episodes[:1], candidates()[-1:], progress="tune")
    assert "tune: 100%" in capsys.readouterr().err
    evaluate(toy_backbone(), data, [], [], progress="tune")
    assert capsys.readouterr().err == ""


def test_a_full_disk_keeps_what_is_there(tmp_path, data, episodes, monkeypatch):
    store = tmp_path / "rows.jsonl"
    evaluate(toy_backbone(), data, episodes[:1], candidates()[:2], store=store)
    before = store.read_bytes()
    from pathlib import Path

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(KShotError, match=r"rows\.jsonl.*No space left"):
            evaluate(toy_backbone(), data, episodes, candidates(), store=store)
    assert store.read_bytes() == before


def test_source_images_may_not_be_queries(data, episodes):
    rule = Candidate(GroupingRule(groups_from="source"), CONFIG)
    with pytest.raises(KShotError, match="query images"):
        evaluate(toy_backbone(), data, episodes, [rule], source=data)
    with pytest.raises(KShotError, match="source"):
        evaluate(toy_backbone(), data, episodes, [rule])
    other = toy_data(3, 5, seed=9)
    assert len(evaluate(toy_backbone(), data, episodes, [rule], source=other)) == 3


def test_bad_requests(data, episodes):
    backbone = toy_backbone()
    with pytest.raises(KShotError, match="executor"):
        evaluate(backbone, data, episodes, candidates(), executor="threads")
    with pytest.raises(KShotError, match="workers"):
        evaluate(backbone, data, episodes, candidates(), executor="processes", workers=0)
    with pytest.raises(KShotError, match="at_steps"):
        evaluate(backbone, data, episodes, candidates(), at_steps=[7])
    with pytest.raises(KShotError, match="fingerprint"):
        evaluate(backbone, toy_data(seed=5), episodes, candidates())
    with pytest.raises(KShotError, match="another network"):
        evaluate(backbone, data, episodes, [Candidate(Grouping({"x": [0]}))])


@pytest.mark.parametrize("candidate", candidates())
def test_candidates_survive_json(candidate):
    again = Candidate.from_dict(json.loads(json.dumps(candidate.to_dict())))
    assert again == candidate
    assert again.key == candidate.key


def test_a_colour_copy_of_a_query_is_still_a_query(data, episodes):
    copies = data.images[list(episodes[0].query)].repeat(3, axis=3)
    rule = Candidate(GroupingRule(groups_from="source"), CONFIG)
    with pytest.raises(KShotError, match="query images"):
        evaluate(toy_backbone(), data, episodes, [rule], source=copies)


def test_a_foreign_file_is_not_overwritten(tmp_path, data, episodes):
    store = tmp_path / "my.json"
    store.write_text('{"mine": 1}')
    with pytest.raises(KShotError, match="something else"):
        evaluate(toy_backbone(), data, episodes, candidates(), store=store)
    assert store.read_text() == '{"mine": 1}'


def test_another_network_with_equal_weights_gets_its_own_rows(tmp_path, data, episodes):
    first, second = toy_backbone(), toy_backbone()
    second.module.extra = nn.Tanh()
    store = tmp_path / "rows.jsonl"
    evaluate(first, data, episodes[:1], [Candidate(None, CONFIG)], store=store)
    evaluate(second, data, episodes[:1], [Candidate(None, CONFIG)], store=store)
    assert len(store.read_text().splitlines()) == 2


def test_an_accuracy_is_the_mean_over_classes():
    hits = torch.tensor([1.0, 1, 1, 0, 0, 0, 1], dtype=torch.float64)
    equal, unequal = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 0, 0, 0, 0, 1, 1])
    assert class_mean(hits[:6], equal) == hits[:6].mean().item()
    assert class_mean(hits, unequal) == pytest.approx((3 / 5 + 1 / 2) / 2)
