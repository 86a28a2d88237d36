"""A store is written again from saved rows, job by job."""

from __future__ import annotations

import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.evaluate.row_store import COLUMNS, RowStore
from kshot_viz.study.files.kept_rows import _whole_jobs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("rows") / "rows.jsonl"


@pytest.fixture(scope="module")
def rows(store):
    data = toy_data(3, 12)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=2, n=2)
    sizes = (0.01, 0.1, 0.3)
    tried = [kv.Candidate(None, kv.FinetuneConfig(lr=lr, steps=4), "plain") for lr in sizes]
    tried.append(kv.Candidate(None, kv.FinetuneConfig(steps=4), "head_only"))
    return kv.evaluate(toy_backbone(), data, episodes, tried, at_steps=[0, 4], store=store).assign(
        stopped=False
    )


def test_all_jobs_come_back_as_they_were_written(rows, store):
    kept = RowStore(store)
    jobs = _whole_jobs([rows])
    assert set(jobs) == set(rows["job"])
    for job, found in jobs.items():
        assert [dict(sorted(one.items())) for one in found] == [
            dict(sorted(one.items())) for one in kept[job]
        ]


def test_a_job_of_which_rows_are_missing_is_not_whole(rows):
    large = rows["job"].value_counts().idxmax()
    (first, *others) = rows.index[rows["job"] == large]
    assert len(others) >= 5
    assert set(_whole_jobs([rows.drop(index=first)])) == set(rows["job"]) - {large}
    run = rows.loc[first, "run"]
    # Without all rows of one candidate.
    assert large not in _whole_jobs([rows[rows["run"] != run]])


def test_a_job_that_did_not_fit_into_memory_as_one_is_whole(rows):
    assert set(_whole_jobs([rows.assign(chunk=1)])) == set(rows["job"])


def test_rows_of_older_versions_are_left_out(rows):
    assert _whole_jobs([rows.drop(columns="spent")]) == {}
    assert set(COLUMNS) <= set(rows.columns)
