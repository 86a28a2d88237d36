"""A grid on disk: what was saved comes back, and damage is an error that names the file."""

from __future__ import annotations

import contextlib
import json

import pytest
from hand_transfer import hand_grid
from mutate import mutated

from kshot_viz.analysis import TransferGrid
from kshot_viz.errors import KShotError, KShotFileError


def test_what_was_saved_comes_back(tmp_path):
    grid = hand_grid()
    again = TransferGrid.load(grid.save(tmp_path))
    assert again.frame().equals(grid.frame())
    assert again.representations().equals(grid.representations())
    assert again.findings() == grid.findings()
    assert again.manifest == grid.manifest


@pytest.mark.parametrize("seed", range(42))
@pytest.mark.parametrize("file", ["grid.json", "rows.parquet", "layers.parquet"])
def test_damage_is_an_error_or_a_grid(tmp_path, file, seed):
    path = hand_grid().save(tmp_path) / file
    path.write_bytes(mutated(path.read_bytes(), seed, text=file.endswith("json")))
    with contextlib.suppress(KShotError):
        found = TransferGrid.load(tmp_path)
        assert repr(found)
        assert found._repr_html_()


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.clear(),
        lambda about: about.update(schema=99),
        lambda about: about["manifest"].pop("cells"),
        lambda about: about["manifest"].update(cells=[{"source": 1}]),
        *(
            lambda about, name=name: about.update(studies=[name])
            for name in (
                "../elsewhere",
                "..",
                ".",
                "",
                "/",
                "other",
                "study_",
                "study_0/..",
                "study_0\n",
            )
        ),
        lambda about: about.update(studies=["study_9"]),
    ],
)
def test_a_spoilt_file_is_refused(tmp_path, change):
    hand_grid().save(tmp_path)
    about = json.loads((tmp_path / "grid.json").read_text("utf-8"))
    change(about)
    (tmp_path / "grid.json").write_text(json.dumps(about), "utf-8")
    with pytest.raises(KShotFileError, match=r"grid\.json|study\.json"):
        TransferGrid.load(tmp_path)


def test_rows_that_are_no_table_are_refused(tmp_path):
    hand_grid().save(tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"no table")
    with pytest.raises(KShotFileError, match=r"rows\.parquet"):
        TransferGrid.load(tmp_path)
    hand_grid().rows.drop(columns="seed").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(KShotFileError, match=r"rows\.parquet lacks seed"):
        TransferGrid.load(tmp_path)
