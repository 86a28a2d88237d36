from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import (
    Episode,
    distinct_images,
    load_episodes,
    query_reuse,
    sample_episodes,
    save_episodes,
    validation_episodes,
)
from kshot_viz.data.load_dataset import load_digits
from kshot_viz.errors import KShotFileError, KShotValueError


def numbered(counts: list[int]) -> ImageDataset:
    """Make a data set whose images are all different."""
    targets = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(targets), 1, 2), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(len(targets)), 256)
    return ImageDataset.from_arrays(
        images, targets, classes=[f"c{i}" for i in range(len(counts))], name="toy"
    )


def smaller_pool(size: int, share: float) -> int:
    val = round(share * size)
    return min(val, size - val) if share else size


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(20, 40), min_size=2, max_size=6),
    shot=st.integers(1, 3),
    query=st.integers(1, 15),
    share=st.sampled_from([0.0, 0.4, 0.5]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_laws(
    counts: list[int], shot: int, query: int, share: float, seed: int, data: st.DataObject
) -> None:
    way = data.draw(st.integers(2, len(counts)))
    toy = numbered(counts)
    episodes = sample_episodes(
        toy, way=way, shot=shot, query=query, n=4, val_share=share, seed=seed
    )
    more = sample_episodes(toy, way=way, shot=shot, query=query, n=7, val_share=share, seed=seed)
    assert more[:4] == episodes
    for episode in episodes:
        support, queries = episode.split(toy)
        assert support.classes == queries.classes == tuple(toy.classes[c] for c in episode.classes)
        assert list(support.counts().values()) == [shot] * way
        assert list(queries.counts().values()) == list(episode.query_counts)
        assert episode.query_counts == tuple(
            min(
                query,
                min(counts[c] - round(share * counts[c]), round(share * counts[c]) or 99) - shot,
            )
            for c in episode.classes
        )
        assert episode.query_per_class <= query
        assert not set(support.digests) & set(queries.digests)
    if share:
        kept = validation_episodes(toy, episodes)
        used = {i for e in more for i in (*e.support, *e.query)}
        assert not used & {i for e in kept for i in (*e.support, *e.query)}
        assert kept[0].query_per_class == episodes[0].query_per_class


def test_more_shots_contain_fewer() -> None:
    toy = numbered([40] * 5)
    one = sample_episodes(toy, way=3, shot=1, query=5)
    five = sample_episodes(toy, way=3, shot=5, query=5)
    for few, many in zip(one, five, strict=True):
        assert few.classes == many.classes
        assert few.query == many.query
        assert set(few.support) < set(many.support)


def test_duplicates_are_one_image() -> None:
    base = numbered([12, 12])
    images = np.concatenate([base.images, base.images])
    targets = np.concatenate([base.targets, base.targets])
    doubled = ImageDataset.from_arrays(images, targets, classes=base.classes, name="doubled")
    episodes = sample_episodes(doubled, way=2, shot=1, query=15, n=30, val_share=0.0)
    assert episodes[0].query_per_class == 11
    assert max(i for e in episodes for i in (*e.support, *e.query)) < len(base)


def test_a_copy_in_another_class_is_never_drawn() -> None:
    base = numbered([12, 12])
    images = np.concatenate([base.images, base.images[:1]])
    targets = np.concatenate([base.targets, [1]])
    mixed = ImageDataset.from_arrays(images, targets, classes=base.classes, name="mixed")
    episodes = sample_episodes(mixed, way=2, shot=1, n=50, val_share=0.0)
    assert all(len(base) not in (*e.support, *e.query) for e in episodes)


def test_query_is_what_the_smaller_pool_of_a_class_allows() -> None:
    episodes = sample_episodes(numbered([40, 30]), way=2, shot=2, query=15, val_share=0.4)
    assert episodes[0].query_counts == (40 * 0.4 - 2, 30 * 0.4 - 2)


def test_too_few_images_names_class_and_counts() -> None:
    with pytest.raises(KShotValueError) as caught:
        sample_episodes(numbered([40, 13, 40]), way=2, shot=1, val_share=0.4)
    for part in ("'c1'", "13 images", "8 in the test pool", "5 in the validation pool", "source"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("shot", "said"),
    [
        (1, ["1 shot + at least 5 queries need 6", "(`query`, at most 4)", "(2 classes have"]),
        (3, ["fewer queries (`query`, at most 2)", "another `val_share`"]),
        (6, ["need 11 in the val pool (2 classes have too few): another `val_share`"]),
    ],
)
def test_what_would_help_small_classes_is_said(shot: int, said: list[str]) -> None:
    with pytest.raises(KShotValueError) as caught:
        sample_episodes(numbered([12, 40, 12]), way=2, shot=shot, val_share=0.4)
    for part in said:
        assert part in str(caught.value)
    assert "fewer shots" not in str(caught.value)


def test_fewer_shots_are_advised_where_they_would_do() -> None:
    with pytest.raises(KShotValueError, match=r"use fewer shots \(at most 3\)"):
        sample_episodes(numbered([20, 40]), way=2, shot=4, val_share=0.4)


def test_a_share_that_rounds_to_nothing_is_an_error() -> None:
    with pytest.raises(KShotValueError, match="0 in the validation pool"):
        sample_episodes(numbered([40, 40]), way=2, shot=1, val_share=0.001)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"way": 1}, "`way` must be 2..3"),
        ({"way": 4}, "`way` must be 2..3"),
        ({"shot": -1}, "`shot`"),
        ({"n": 1.5}, "`n`"),
        ({"val_share": 1.0}, "`val_share`"),
        ({"pool": "train"}, "`pool`"),
        ({"pool": "val", "val_share": 0.0}, "`val_share`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_requests(change: dict[str, object], message: str) -> None:
    request: dict[str, object] = {"way": 2, "shot": 1} | change
    with pytest.raises(KShotValueError, match=message):
        sample_episodes(numbered([40] * 3), **request)  # type: ignore[arg-type]


def test_way_none_is_all_classes() -> None:
    assert sample_episodes(numbered([40] * 3), way=None, shot=1)[0].classes == (0, 1, 2)


def test_split_refuses_other_data() -> None:
    episode = sample_episodes(numbered([40, 40]), way=2, shot=1)[0]
    with pytest.raises(KShotValueError, match="fingerprint"):
        episode.split(numbered([41, 40]))


def test_validation_needs_a_share() -> None:
    toy = numbered([40, 40])
    with pytest.raises(KShotValueError, match="val_share=0"):
        validation_episodes(toy, sample_episodes(toy, way=2, shot=1, val_share=0.0))
    with pytest.raises(KShotValueError, match="empty"):
        validation_episodes(toy, [])
    mixed = [sample_episodes(toy, way=2, shot=s)[0] for s in (1, 2)]
    with pytest.raises(KShotValueError, match="agree"):
        validation_episodes(toy, mixed)


def test_counts_of_use() -> None:
    toy = numbered([40, 40])
    episodes = sample_episodes(toy, way=2, shot=1, query=5, n=2)
    same = [episodes[0], episodes[0]]
    assert query_reuse(same) == 2.0
    assert distinct_images(same) == 2 * (1 + 5)


def test_digits_episodes_are_the_same_anywhere() -> None:
    episode = sample_episodes(load_digits(), way=5, shot=1, query=5, n=1, seed=0)[0]
    assert episode.fingerprint.startswith("c826511338fb")
    assert episode.classes == (2, 3, 5, 7, 8)
    assert episode.support == (371, 838, 165, 1523, 379)


def test_json_round_trip(tmp_path: Path) -> None:
    episodes = sample_episodes(numbered([40] * 4), way=3, shot=2)
    save_episodes(episodes, tmp_path / "e.json")
    assert load_episodes(tmp_path / "e.json") == episodes
    assert Episode.from_dict(json.loads(json.dumps(episodes[0].to_dict()))) == episodes[0]


def _broken(path: Path, change: str) -> None:
    text = path.read_text()
    edits = {
        "cut": text[: len(text) // 2],
        "newer": text.replace('"schema": 1', '"schema": 3'),
        "kind": text.replace("kshot_viz.episodes", "other"),
        "field": text.replace('"shot"', '"shots"', 1),
        "type": text.replace('"way": 2', '"way": "2"', 1),
        "size": text.replace('"way": 2', '"way": 3', 1),
        "list": "[]",
    }
    path.write_text(edits[change])


@pytest.mark.parametrize("change", ["cut", "newer", "kind", "field", "type", "size", "list"])
def test_broken_files_are_named(tmp_path: Path, change: str) -> None:
    path = tmp_path / "e.json"
    save_episodes(sample_episodes(numbered([40, 40]), way=2, shot=1), path)
    _broken(path, change)
    with pytest.raises(KShotFileError, match=r"e\.json"):
        load_episodes(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KShotFileError, match=r"none\.json"):
        load_episodes(tmp_path / "none.json")


def test_support_and_query_must_be_disjoint() -> None:
    record = sample_episodes(numbered([40, 40]), way=2, shot=1)[0].to_dict()
    record["query"][0] = record["support"][0]
    with pytest.raises(KShotValueError, match="twice"):
        Episode.from_dict(record)


# --- classes with few images ---------------------------------------------------------------------


def test_a_small_class_has_fewer_queries_and_the_others_keep_theirs() -> None:
    toy = numbered([60, 8, 60])
    with pytest.raises(
        KShotValueError, match=r"'c1'.*accept fewer of such a class \(`min_query=2`"
    ):
        sample_episodes(toy, way=3, shot=1)
    episodes = sample_episodes(toy, way=3, shot=1, n=3, min_query=1)
    assert {one.query_counts for one in episodes} == {(15, 2, 15)}
    assert {one.query_per_class for one in episodes} == {15}
    for one in episodes:
        support, query = one.split(toy)
        assert list(query.counts().values()) == [15, 2, 15]
        assert not set(support.digests) & set(query.digests)
    assert {one.query_counts for one in validation_episodes(toy, episodes)} == {(15, 2, 15)}


def test_the_queries_of_a_large_class_do_not_depend_on_the_small_one() -> None:
    with_small = numbered([60, 60, 8])
    first, second = (
        sample_episodes(with_small, way=3, shot=1, query=query, n=1, min_query=1)[0]
        for query in (15, 2)
    )
    assert second.query_counts == (2, 2, 2)
    assert set(second.query) < set(first.query)


@pytest.mark.parametrize("counts", [[40, 40, 40], [9, 9, 9]])
def test_equal_classes_give_episodes_as_they_were_written_before(counts: list[int]) -> None:
    episode = sample_episodes(numbered(counts), way=3, shot=1, n=1, min_query=1)[0]
    record = episode.to_dict()
    assert sorted(record) == [
        *("classes", "data_name", "fingerprint", "index", "pool", "query", "query_per_class"),
        *("seed", "shot", "support", "val_share", "way"),
    ]
    assert episode.queries_by_class is None
    assert Episode(**{**vars(episode), "queries_by_class": episode.query_counts}) == episode


def test_files_say_by_their_schema_who_can_read_them(tmp_path: Path) -> None:
    equal = sample_episodes(numbered([40, 40]), way=2, shot=1, n=2)
    mixed = sample_episodes(numbered([40, 8]), way=2, shot=1, n=2, min_query=1)
    for episodes, schema in ((equal, 1), (mixed, 2)):
        save_episodes(episodes, tmp_path / "e.json")
        assert json.loads((tmp_path / "e.json").read_text())["schema"] == schema
        assert load_episodes(tmp_path / "e.json") == episodes


@pytest.mark.parametrize("counts", [(15, 2), (15, 0, 17), (16, 1, 15), (15, 2, 14), [15, 2, 15]])
def test_numbers_of_queries_that_do_not_fit_are_an_error(counts: tuple[int, ...]) -> None:
    episode = sample_episodes(numbered([60, 8, 60]), way=3, shot=1, n=1, min_query=1)[0]
    record = episode.to_dict() | {"queries_by_class": list(counts)}
    if isinstance(counts, list):
        assert Episode.from_dict(record) == episode
        return
    with pytest.raises(KShotValueError, match=r"test/0: `quer"):
        Episode.from_dict(record)


def test_a_list_of_episodes_prints_as_a_list() -> None:
    drawn = sample_episodes(numbered([40, 40]), way=2, shot=1, query=5, n=2)
    name = drawn[0].data_name
    assert repr(drawn) == (
        f"[Episode('test/0': 2 classes of {name!r}, 1 shot, 10 query images), "
        f"Episode('test/1': 2 classes of {name!r}, 1 shot, 10 query images)]"
    )


def test_images_of_other_classes_than_an_episode_names_are_refused():
    data = toy_data(3, 16)
    episode = kv.sample_episodes(data, way=3, shot=1, query=4, n=1)[0]
    by_class = np.array(episode.query).reshape(3, 4)
    # As many queries, of two of the classes only.
    other = next(
        i
        for i in range(len(data))
        if data.targets[i] == episode.classes[1] and i not in (*episode.query, *episode.support)
    )
    edited = replace(episode, query=(other, *by_class.ravel()[1:].tolist()))
    with pytest.raises(
        KShotValueError, match="query images of episode test/0 are not of the classes"
    ):
        edited.split(data)
    turned = replace(
        episode,
        support=(*episode.support[:2], int(by_class[0, 0])),
        query=(int(episode.support[2]), *by_class.ravel()[1:].tolist()),
    )
    with pytest.raises(KShotValueError, match="support images of episode"):
        turned.check(data)


def test_numbers_of_numpy_make_the_same_episodes(tmp_path):
    data = toy_data(3, 16)
    drawn = kv.sample_episodes(
        data, way=np.int64(3), shot=np.int64(1), query=4, n=1, seed=np.int64(2)
    )
    assert drawn == kv.sample_episodes(data, way=3, shot=1, query=4, n=1, seed=2)
    kv.save_episodes(drawn, tmp_path / "episodes.json")
    assert kv.load_episodes(tmp_path / "episodes.json") == drawn
    rows = kv.evaluate(
        toy_backbone(), data, drawn, [kv.Candidate(method="nearest_mean")], seed=np.int64(1)
    )
    assert rows["seed"].tolist() == [1]
