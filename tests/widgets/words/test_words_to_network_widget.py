"""WordsToNetwork without a browser: edits, messages, images that join, files and pictures."""

from __future__ import annotations

import io
import json
import re
import zipfile

import numpy as np
import pytest
import torch
from described import LETTERS, PATIENCE, TEXTS, backbone, letters, shown
from left_behind import leaves
from networks import toy_backbone
from traitlets import TraitError

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.viz import findings_text, to_png
from kshot_viz.widgets.words.exports import descriptions_file, network_file
from kshot_viz.words import network_from_words, word_evidence


def images():
    return letters()[0]


@pytest.fixture
def made():
    found = shown()
    yield found
    found.close()


def type_in(made, number, text):
    made.rows.rows[number].text.value = text
    assert made.wait(PATIENCE)


def logits(network):
    with torch.no_grad():
        return network.module(network.prepare(images().images))


def test_it_shows_the_network_of_the_texts(made):
    expected = logits(network_from_words(backbone(), TEXTS))
    torch.testing.assert_close(logits(made.network), expected)
    assert made.descriptions == TEXTS
    frame = made.frame()
    assert frame["predicted"].tolist() == [LETTERS[c] for c in expected.argmax(dim=1)]
    assert frame["label"].tolist() == list(images().labels)
    share = 100 * (frame["predicted"] == frame["label"]).mean()
    assert f"Descriptions alone: {share:.0f} % of 12 images right" in made.accuracy.value
    assert f"{share:.0f} %" in repr(made)
    assert made.predictions.value.count("<img ") == len(images())
    assert made.status.value.count("kv-idle")


def test_without_texts_it_describes_the_images():
    found = kv.WordsToNetwork(backbone(), images())
    assert found.descriptions == kv.describe(images())
    assert found.controls.shot.layout.display == "none"
    found.close()


def test_an_edited_text_changes_the_network(made):
    before = made.frame()
    type_in(made, 0, "latin small z")
    assert made.descriptions == TEXTS | {"a": "latin small z"}
    expected = logits(network_from_words(backbone(), TEXTS | {"a": "latin small z"}))
    torch.testing.assert_close(logits(made.network), expected)
    assert not before.equals(made.frame())


def test_words_are_shaded_by_what_they_do(made):
    expected = word_evidence(backbone(), images(), TEXTS)
    for measure in ("gradient", "without", "shapley"):
        made.evidence = measure
        assert made.wait(PATIENCE)
        frame = made.word_frame()
        np.testing.assert_allclose(frame["evidence"], expected[measure], atol=1e-4)
        said = made.rows.rows[2].said.value
        numbers = [float(one) for one in re.findall(r"<small>(.*?)</small>", said)]
        own = frame.loc[frame["class"] == "e", "evidence"]
        assert numbers == pytest.approx(own.tolist(), abs=0.0051)
        kinds = re.findall(r"kv-word-(for|against|neither)", said)
        assert kinds == ["neither" if not n else "for" if n > 0 else "against" for n in numbers]


def test_an_unknown_word_is_told_at_its_text_and_the_network_stays(made):
    before = made.network.fingerprint
    type_in(made, 1, "latin small d with cedila")
    said = [one.said.value for one in made.rows.rows]
    assert "&#x27;cedila&#x27; (nearest known: &#x27;cedilla&#x27;)" in said[1]
    assert 'role="alert"' in said[1]
    assert not any("alert" in one for number, one in enumerate(said) if number != 1)
    # Texts that are as they were keep their evidence.
    assert "kv-word" in said[0]
    assert made.status.kind == "error"
    assert "still that of the last texts" in made.status.value
    assert made.network.fingerprint == before
    assert made.descriptions == TEXTS
    made.rows.rows[1].repair.click()
    assert made.wait(PATIENCE)
    assert made.descriptions["d"].endswith("with cedilla")
    assert made.status.kind == "idle"
    assert made.rows.rows[1].repair.layout.display == "none"


def test_a_half_typed_word_is_no_error(made):
    type_in(made, 1, "latin small d with cedi")
    assert "known word begins with &#x27;cedi&#x27;: cedilla" in made.rows.rows[1].said.value
    assert "alert" not in made.rows.rows[1].said.value
    assert made.status.kind == "idle"
    assert made.descriptions == TEXTS
    type_in(made, 1, "latin small d with cedi ")
    assert "nearest known" in made.rows.rows[1].said.value
    type_in(made, 1, "latin small d with cedilla ")
    assert made.descriptions["d"] == "latin small d with cedilla"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "description is needed"), ("small latin a", "the words of &#x27;a&#x27;")],
)
def test_empty_and_equal_texts_are_told(made, text, said):
    type_in(made, 3, text)
    assert said in made.rows.rows[3].said.value
    assert made.descriptions == TEXTS
    type_in(made, 3, "latin small f")
    assert made.status.kind == "idle"


def test_one_class_is_too_few_and_two_are_enough(made):
    for one in made.rows.rows[2:]:
        one.remove.click()
    assert made.wait(PATIENCE)
    assert made.descriptions == {"a": TEXTS["a"], "d": TEXTS["d"]}
    assert "8 images of no described class" in made.accuracy.value
    made.rows.rows[0].remove.click()
    assert made.wait(PATIENCE)
    assert "At least two classes" in made.status.value
    assert list(made.descriptions) == ["a", "d"]
    made.rows.rows[0].remove.click()
    assert made.status.kind == "error"
    made.compose.empty.click()
    made.compose.empty.click()
    assert made.rows.pairs == [("new 1", ""), ("new 2", "")]
    made.edit(TEXTS)
    assert made.wait(PATIENCE)
    assert made.descriptions == TEXTS


def test_a_class_is_renamed_with_its_images(made):
    before = made.frame()
    made.rows.rows[0].name.value = "alpha"
    assert made.wait(PATIENCE)
    frame = made.frame()
    assert (frame["right"] == before["right"]).all()
    assert set(frame["label"]) == {"alpha", *"defhn"}
    made.rows.rows[0].name.value = "d"
    assert "has the name &#x27;d&#x27; already" in made.rows.rows[1].said.value
    made.rows.rows[0].name.value = " "
    assert "needs a name" in made.rows.rows[0].said.value
    assert next(iter(made.descriptions)) == "alpha"


def test_a_new_class_does_not_take_the_images_of_a_renamed_one(made):
    made.rows.rows[0].name.value = "alpha"
    made.add("a", "latin small b")
    assert made.wait(PATIENCE)
    assert set(made.frame()["label"]) == {"alpha", *"defhn"}
    assert made.rows.renamed() == {"a": "alpha"} | {one: one for one in "defhn"}


def test_a_class_that_comes_back_has_its_images_again(made):
    made.rows.rows[5].remove.click()
    assert made.wait(PATIENCE)
    assert made.frame()["right"].isna().sum() == 2
    made.rows.add("x", TEXTS["n"])
    made.rows.rows[5].name.value = "n"
    assert made.wait(PATIENCE)
    assert made.frame()["right"].notna().all()


def test_letters_are_composed_and_invented(made):
    made.compose.base.value, made.compose.mark.value = "latin small c", "cedilla"
    made.compose.compose.click()
    made.compose.mark.value = "horn"
    made.compose.compose.click()
    assert made.wait(PATIENCE)
    new = {"ç": "latin small c with cedilla", "new 1": "latin small c with horn"}
    assert made.descriptions == TEXTS | new
    assert "No image of this class" in made.rows.rows[-1].said.value
    assert len(made.network.notes["classes"]) == 8


def test_images_join_the_descriptions(made):
    assert made.controls.shot.max == 3
    made.controls.shot.value = 2
    assert made.wait(PATIENCE)
    assert made.shot == 2
    assert "With 2 images of each class" in made.accuracy.value
    assert set(made.frame()["head"]) == {"descriptions", "descriptions and images"}
    few = made.network.fingerprint
    made.controls.prior_count.value = 1.0
    assert made.wait(PATIENCE)
    assert made.network.fingerprint != few
    made.shot = 0
    assert made.wait(PATIENCE)
    assert made.controls.shot.value == 0
    alone = network_from_words(backbone(), TEXTS)
    torch.testing.assert_close(logits(made.network), logits(alone))


def test_settings_change_the_last_good_network_while_a_text_cannot_be_used(made):
    type_in(made, 0, "nonsense")
    made.shot = 1
    assert made.wait(PATIENCE)
    assert made.outcome.settings.shot == 1
    assert made.descriptions == TEXTS
    assert "nearest known" in made.rows.rows[0].said.value
    assert made.status.kind == "error"


def test_texts_that_cannot_be_used_at_first_are_told_without_an_exception():
    found = shown({"a": "latin smal a", "b": "latin small b"})
    assert "smal" in found.rows.rows[0].said.value
    assert "no network yet" in repr(found)
    for what in (lambda: found.network, found.frame, found.figure, lambda: found.descriptions):
        with pytest.raises(KShotValueError, match="no network yet"):
            what()
    assert "image/png" not in str(found._repr_mimebundle_())
    type_in(found, 0, "latin small a")
    assert found.descriptions == {"a": "latin small a", "b": "latin small b"}
    found.close()


def test_texts_of_users_are_escaped():
    bad = "<img src=x onerror=alert(1)>"
    found = shown({bad: "latin small a", "b": "latin small b"})
    type_in(found, 1, "latin <script> b")
    everything = [found.predictions.value, found.status.value, found.accuracy.value]
    everything += [one.said.value for one in found.rows.rows]
    assert not any("<img src=x" in one or "<script>" in one for one in everything)
    assert "&lt;img src=x" in found.predictions.value
    found.close()


def test_files_load_again(made, tmp_path):
    made.add("ç", "latin small c with cedilla")
    assert made.wait(PATIENCE)
    folder = made.save(tmp_path / "mine")
    loaded = kv.load_classifier(folder)
    assert loaded.predict(images().images).tolist() == made.frame()["predicted"].tolist()
    texts = json.loads((folder / "descriptions.json").read_text("utf-8"))
    assert texts == made.descriptions
    name, mime, content = descriptions_file(made.outcome)
    assert (name, mime) == ("descriptions.json", "application/json")
    assert json.loads(content) == texts
    name, _, content = network_file(made.outcome)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        packed.extractall(tmp_path / "unpacked")
    again = kv.load_classifier(tmp_path / "unpacked")
    assert again.predict(images().images).tolist() == loaded.predict(images().images).tolist()
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(KShotFileError):
        made.save(tmp_path / "file")


def test_images_that_also_join_are_told():
    found = kv.WordsToNetwork(backbone(), images(), TEXTS, support=images())
    assert "12 images of these may join the descriptions too" in found.accuracy.value
    found.close()


def test_the_canvas_has_every_image_and_prototype(made):
    count = len(images()) + len(TEXTS)
    assert len(made.canvas.points) == 8 * count
    assert len(made.canvas.words) == count
    assert made.canvas.names == list(TEXTS)
    assert made.canvas.starts == b""
    before = np.frombuffer(made.canvas.points, "<f4")
    made.shot = 1
    assert made.wait(PATIENCE)
    assert len(made.canvas.starts) == 8 * len(TEXTS)
    after = np.frombuffer(made.canvas.points, "<f4")
    # Images stay where they are.
    np.testing.assert_array_equal(after[: 2 * len(images())], before[: 2 * len(images())])
    wrong = np.frombuffer(made.canvas.wrong, "u1").astype(bool)
    frame = made.frame().query("shot == 1")
    assert (~wrong == frame["right"].to_numpy(dtype=bool)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"shot": 4},
        {"shot": -1},
        {"prior_count": 0},
        {"evidence": "magic"},
        {"words": "glyphnet-word"},
        {"support": "digits"},
        {"descriptions": {"a": 1, "b": "latin small b"}},
    ],
)
def test_wrong_arguments_are_refused_at_once(options):
    with pytest.raises(KShotError):
        shown(**options)


def test_words_of_another_backbone_are_refused():
    with pytest.raises(KShotValueError, match="were trained for"):
        kv.WordsToNetwork(toy_backbone(), images(), TEXTS)


def test_wrong_choices_leave_it_as_it_was(made):
    for name, value in (("shot", 9), ("prior_count", -1.0), ("evidence", "magic")):
        with pytest.raises((KShotValueError, KShotKeyError, TraitError)):
            setattr(made, name, value)
    assert (made.shot, made.prior_count, made.evidence) == (0, 4.0, "shapley")
    with pytest.raises(KShotValueError, match="descriptions"):
        made.edit({"a": None})
    assert made.descriptions == TEXTS


def test_findings_are_of_the_numbers(made):
    text, frame = findings_text(made), made.word_frame()
    best = frame.loc[frame["evidence"].idxmax()]
    assert f"{best['token']!r} of {best['class']!r} ({best['evidence']:+.2f})" in text
    assert text.startswith("Descriptions alone: ")
    made.edit({"x": "latin small z", "y": "latin small y"})
    assert made.wait(PATIENCE)
    assert findings_text(made) == "None of the images is of a described class."


def test_figure_and_repr(made):
    made.shot = 1
    assert made.wait(PATIENCE)
    assert to_png(made.figure())
    assert "With 1 image of each class" in repr(made)


@pytest.mark.slow
def test_it_leaves_its_picture_where_no_kernel_runs(made):
    leaves(made, made.figure())


def test_a_closed_dashboard_computes_nothing_more(made):
    made.close()
    made.rows.fill(TEXTS | {"a": "latin small z"})
    assert made.wait(PATIENCE)
    assert made.descriptions == TEXTS
