from __future__ import annotations

import json

import numpy as np
import pytest
from command_line import make_pictures
from networks import toy_data

import kshot_viz as kv
from kshot_viz.data.folder import dataset_folder
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.words import describe


@pytest.fixture
def folder(tmp_path):
    return make_pictures(tmp_path / "zoo")


def names(folder):
    return sorted(one.name for one in folder.iterdir() if one.is_dir())


def test_characters_are_described_by_their_names():
    found = describe(kv.load_dataset("digits"))
    assert found["7"] == "digit seven"
    assert list(found) == [str(digit) for digit in range(10)]


def test_arrays_say_how_descriptions_are_given():
    with pytest.raises(KShotValueError, match="Give a dict"):
        describe(toy_data())


def test_one_file_in_the_folder(folder):
    texts = {name: f"a picture of {name}" for name in names(folder)}
    (folder / "descriptions.json").write_text(json.dumps(dict(reversed(texts.items()))))
    data = kv.load_dataset(folder)
    assert describe(data) == texts
    assert list(describe(data)) == list(data.classes)


def test_a_text_in_or_beside_each_class_folder(folder):
    first, *others = names(folder)
    (folder / first / "class.txt").write_text("inside\n")
    for name in others:
        (folder / f"{name}.txt").write_text("beside")
    found = describe(kv.load_dataset(folder))
    assert found == {first: "inside"} | dict.fromkeys(others, "beside")


def test_a_part_of_the_classes_needs_no_file_of_its_own(folder):
    texts = {name: f"a picture of {name}" for name in names(folder)}
    (folder / "descriptions.json").write_text(json.dumps(texts))
    data = kv.load_dataset(folder)
    some = data.restrict(np.flatnonzero(data.targets < 2), range(2))
    assert describe(some) == {name: texts[name] for name in data.classes[:2]}
    (folder / "descriptions.json").write_text(json.dumps(texts | {"yak": "y"}))
    with pytest.raises(KShotValueError, match="without a class: 'yak'"):
        describe(some)


def test_a_byte_order_mark_is_no_part_of_a_text(folder):
    for name in names(folder):
        (folder / name / "class.txt").write_text(f"a {name}", encoding="utf-8-sig")
    assert all(text == f"a {name}" for name, text in describe(kv.load_dataset(folder)).items())


def test_what_lacks_and_what_is_spare_is_named(folder):
    first, *others = names(folder)
    (folder / "descriptions.json").write_text(
        json.dumps({**dict.fromkeys(others, "x"), "yak": "y"})
    )
    with pytest.raises(KShotValueError, match=f"(?s)without a description: '{first}'.*'yak'"):
        describe(kv.load_dataset(folder))


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": 1}', "[" * 5000])
def test_a_file_that_is_no_object_of_texts(folder, content):
    (folder / "descriptions.json").write_text(content)
    with pytest.raises(KShotFileError, match=r"descriptions\.json"):
        describe(kv.load_dataset(folder))


def test_a_text_that_is_no_utf8(folder):
    (folder / names(folder)[0] / "class.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(KShotFileError, match=r"class\.txt"):
        describe(kv.load_dataset(folder))


def test_a_folder_without_texts_says_where_they_go(folder):
    with pytest.raises(KShotError, match=r"class\.txt"):
        describe(kv.load_dataset(folder))


def test_the_folder_is_found_from_the_images(folder):
    data = kv.load_dataset(folder)
    assert dataset_folder(data) == folder
    assert dataset_folder(data.take(range(1))) == folder
    assert dataset_folder(kv.load_dataset(folder, labelled=False)) is None
    assert dataset_folder(toy_data()) is None
