"""A search in one call: its options, and its progress bar."""

from __future__ import annotations

import inspect

from small_search import small_backbone, small_reward, tiny_space

import kshot_viz as kv
from kshot_viz.search.controller.reinforce import ReinforceConfig


def test_its_options_and_defaults_are_those_of_the_search():
    options = dict(inspect.signature(kv.search_groups).parameters)
    assert options.pop("progress").default is False
    search = inspect.signature(kv.GroupSearch).parameters
    assert {name: one.default for name, one in options.items()} == {
        name: one.default for name, one in search.items()
    }
    assert all(name in kv.search_groups.__doc__ for name in options)


def test_a_progress_bar_changes_nothing_and_ends_at_the_budget(capsys):
    options = {
        "space": tiny_space(),
        "budget": 4,
        "storage": "memory",
        "learning": ReinforceConfig(batch_size=2),
        "seed": 1,
    }
    quiet = kv.search_groups(small_backbone(), small_reward(), **options)
    shown = kv.search_groups(small_backbone(), small_reward(), progress=True, **options)
    assert shown.history.equals(quiet.history)
    said = capsys.readouterr()
    assert "search: 100%" in said.err
    assert "This takes at most about 1 second: 4 candidates on 4 tasks each." in said.out + said.err
