"""What the text of a study says, where there is little to compare."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from hand_study import hand_study

from kshot_viz.study.regimes.study import Study


def only(study: Study, methods: list[str]) -> Study:
    """Return a study without the rows of other methods."""
    kept = study.choices[study.choices["method"].isin(methods)]
    parts = {
        name: replace(
            one,
            frame=one.frame[one.frame["method"].isin(methods)],
            settings=one.settings[one.settings["method"].isin(methods)],
        )
        for name, one in study.comparisons.items()
    }
    return replace(study, comparisons=parts, choices=kept)


@pytest.mark.parametrize("show", [str, Study._repr_html_])
def test_plain_alone_has_a_table(show):
    alone = only(hand_study(regimes=["many"], rules=["guarded"]), ["plain"])
    text = show(alone)
    assert "plain is least behind the best in hindsight" in text
    assert "reference" in text
    assert "grouped against plain" not in text


def test_methods_that_are_alike_are_named_together():
    study = only(hand_study(regimes=["many"], rules=["guarded"]), ["plain", "grouped"])
    double = {
        name: replace(one, frame=twice(one.frame), settings=twice(one.settings))
        for name, one in study.comparisons.items()
    }
    alike = replace(study, comparisons=double, choices=twice(study.choices))
    text = " ".join(str(alike).split())
    assert "plain and grouped are alike and least behind the best in hindsight" in text
    assert "plain and grouped are first alike (1.5)" in text


def twice(table: pd.DataFrame) -> pd.DataFrame:
    """Give groups the rows of plain fine-tuning."""
    plain = table[table["method"] == "plain"]
    return pd.concat([plain, plain.assign(method="grouped")], ignore_index=True)
