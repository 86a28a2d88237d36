"""Comparisons that earlier versions saved, with what their files lack."""

from __future__ import annotations

from typing import Any

from kshot_viz.study.settings.choice import METHOD, tuned_settings


def upgraded(found: dict[str, Any], schema: int) -> dict[str, Any]:
    """Return the fields of a comparison that was saved with a schema, as they are today."""
    for older, upgrade in _UPGRADES.items():
        found = upgrade(found) if schema <= older else found
    return found


def _with_task(found: dict[str, Any]) -> dict[str, Any]:
    """Add what files of schema 1 (version 0.1.0) lack: all rows are of one data set and network."""
    frame, candidates, manifest = found["frame"], found["candidates"], found["manifest"]
    task = {"data": manifest["data"]["name"], "backbone": manifest["backbone"]["name"]}
    frame = frame.rename(columns={"task": "run"}).assign(**task, options="{}")
    given = frame["candidate"].map(candidates)
    # A candidate's key is a digest that contains its method, and that was a bare name.
    frame["candidate"] = given.map(lambda one: one.key)
    frame["setting"] = given.map(lambda one: one.setting_key)
    frame["weight_decay"] = given.map(lambda one: one.config.weight_decay)
    by = ["method", "way", "shot", "lr", "head_lr", "steps"]
    chosen = frame[frame["chosen"]].drop_duplicates(by)
    settings = found["settings"].assign(**task).merge(chosen[[*by, "setting"]], on=by, how="left")
    renamed = {one.key: one for one in candidates.values()}
    return found | {"frame": frame, "settings": settings, "candidates": renamed}


def _with_tuned(found: dict[str, Any]) -> dict[str, Any]:
    """Add what files of schema 2 lack: which settings were tuned, by which rule."""
    frame = found["frame"]
    tuned = frame["candidate"].map(found["candidates"]).map(tuned_settings)
    frame = frame.assign(tuned=tuned, stopped=False)
    names = frame[[*METHOD, "setting", "tuned"]].drop_duplicates([*METHOD, "setting"])
    settings = found["settings"].merge(names, on=[*METHOD, "setting"], how="left")
    unknown = {"collapsed": float("nan"), "margin": float("nan"), "rule": "best", "edge": ""}
    return found | {"frame": frame, "settings": settings.assign(**unknown)}


_UPGRADES = {1: _with_task, 2: _with_tuned}
