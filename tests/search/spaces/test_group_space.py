"""The space of grouping rules: known methods are points of it."""

from __future__ import annotations

from small_search import small_backbone

import kshot_viz as kv

POINTS = {"head_only": "head_only", "last_block": "plain", "plain": "plain", "grouped": "grouped"}


def test_known_methods_are_points_of_the_space():
    backbone = small_backbone()
    space = kv.GroupSpace.of(backbone, n_groups=(0.5, 1.0))
    made = {kind: space.candidate(space.point(kind, backbone, n_groups=0.5)) for kind in POINTS}
    assert {kind: one.method.name for kind, one in made.items()} == POINTS
    assert made["plain"].config == kv.FinetuneConfig()
    assert kv.GroupSpace.from_dict(space.to_dict()) == space
