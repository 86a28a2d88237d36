"""``kshot-viz search`` from nothing to its files, and again."""

from __future__ import annotations

import pandas as pd
import pytest
from command_line import kshot, make_pictures
from spoilt import cut

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.search.rewards.scorer import Scorer

SMALL = ["search", "--way", 3, "--query", 4, "--tasks", 2, "--budget", 10, "--workers", 1]


@pytest.mark.slow
def test_a_search_leaves_its_files_and_is_not_run_twice(tmp_path):
    out = tmp_path / "run"
    first = kshot(*SMALL, "--out", out)
    assert first.code == 0, first.err
    assert "10 of 10 evaluations spent" in first.out
    history = pd.read_csv(out / "history.csv")
    assert len(history) == 10
    assert Candidate.load(out / "best.json").name == "searched"
    journal = (out / "search.journal").read_bytes()
    assert kshot(*SMALL, "--out", out).code == 0
    assert (out / "search.journal").read_bytes().startswith(journal)
    pd.testing.assert_frame_equal(pd.read_csv(out / "history.csv"), history)


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused(tmp_path):
    kshot(*SMALL, "--out", tmp_path)
    ended = kshot(*SMALL, "--seed", 1, "--out", tmp_path)
    assert ended.code == 2
    assert "another search" in ended.complaint


@pytest.mark.slow
def test_unreadable_images_of_a_small_folder_are_skipped_on_request(tmp_path):
    pictures = make_pictures(tmp_path / "zoo")
    cut(sorted(pictures.rglob("*.png"))[0])
    command = ["search", pictures, *SMALL[3:], "--out", tmp_path / "run"]
    refused = kshot(*command)
    assert refused.code == 2
    assert "--skip-bad" in refused.complaint
    done = kshot(*command, "--skip-bad")
    assert done.code == 0, done.err
    assert "10 of 10 evaluations spent" in done.out


@pytest.mark.slow
def test_a_search_within_a_time_says_what_it_left_out_and_goes_on_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Scorer, "seconds", lambda self, some: 1.0)
    command = [*SMALL, "--budget", 13, "--out", tmp_path / "run"]
    first = kshot(*command, "--budget-minutes", 0.2)
    assert first.code == 0, first.err
    said = "10 candidates on 2 tasks each. Taken to fit: 10 of 13 evaluations."
    assert said in first.out + first.err
    assert "to fit into 0.2 minutes, only 10 of 13 evaluations" in first.out
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    whole = kshot(*command)
    assert "13 of 13 evaluations spent" in whole.out
    longer = pd.read_csv(tmp_path / "run" / "history.csv")
    assert len(longer) > len(history)
    scored = ["rollout", "reward", "candidate", "cost"]
    pd.testing.assert_frame_equal(longer[scored].head(len(history)), history[scored])
