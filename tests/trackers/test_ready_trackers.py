"""TensorBoard, MLflow and W&B really run here, offline, and what they wrote is read back."""

from __future__ import annotations

import math
import re
import struct
import sys
import time
import uuid
from importlib import import_module
from pathlib import Path

import pytest
from networks import toy_backbone, toy_data
from processes import GONE, MARK, marked

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.trackers.series import Series

ROOT = Path(__file__).parents[2]
CONFIG = kv.FinetuneConfig(lr=0.02, steps=2)
ROWS = 3
CURVE, PAGE_CURVE = (f"test/{way}-way/1-shot/plain" for way in (3, 10))
# Bytes of a block in the file of a W&B run.
BLOCK = 2**15


@pytest.fixture(scope="module")
def call():
    """Three rows of one setting, told to callbacks; returned as a frame."""
    data, backbone = toy_data(3, 24), toy_backbone()
    episodes = kv.sample_episodes(data, way=3, shot=1, query=5, n=ROWS, seed=1)
    tried = [kv.Candidate(None, CONFIG, method="plain")]

    def run(*callbacks):
        return kv.evaluate(backbone, data, episodes, tried, callbacks=callbacks)

    return run


def run_block(heading):
    """Run the Python of a section of the page, and return its names."""
    text = (ROOT / "docs" / "trackers.md").read_text("utf-8").partition(f"\n## {heading}\n")[2]
    (code,) = re.findall(r"```python\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    names = {}
    exec(compile(code, heading, "exec"), names)
    return names


class Fails:
    """Ends a call after its first row."""

    def on_row(self, row):
        raise RuntimeError("enough")


# ---- TensorBoard ------------------------------------------------------------------------------


def events(folder):
    reader = import_module("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    return found


def test_tensorboard_holds_the_rows(call, tmp_path):
    tracker = kv.trackers.TensorBoard(tmp_path / "tb")
    rows = call(tracker)
    assert tracker.run_folder == tmp_path / "tb" / "evaluate-ToyNet-toy-1"
    found = events(tracker.run_folder)
    scalars = found.Scalars(f"{CURVE}/accuracy")
    assert [one.step for one in scalars] == [0, 1, 2]
    assert [one.value for one in scalars] == pytest.approx(rows["accuracy"].tolist())
    (mean,) = found.Scalars(f"mean_accuracy/{CURVE}")
    assert mean.value == pytest.approx(rows["accuracy"].mean())
    (text,) = found.Tensors("settings/text_summary")
    assert b"| backbone | ToyNet |" in text.tensor_proto.string_val[0]
    # The next call, though it fails, has a folder of its own.
    with pytest.raises(KShotError, match="enough"):
        call(tracker, Fails())
    assert tracker.run_folder.name == "evaluate-ToyNet-toy-2"
    failed = events(tracker.run_folder)
    assert len(failed.Scalars(f"{CURVE}/accuracy")) == 1
    assert "failed/text_summary" in failed.Tags()["tensors"]


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_block("A callback of your own")
    said = capsys.readouterr().out
    assert said.startswith("evaluate glyphnet digits {'backbone': 'glyphnet'")
    assert re.search(r"^best: 0\.0\d+ 0\.\d+$", said, re.MULTILINE)
    run_block("TensorBoard")
    (folder,) = (tmp_path / "runs" / "tensorboard").iterdir()
    assert len(events(folder).Scalars("finetune/loss")) == kv.FinetuneConfig().steps + 1
    run_block("Log messages")


# ---- MLflow -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_mlflow_holds_the_rows(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    names = run_block("MLflow")
    tracker, rows = names["tracker"], names["rows"]
    run = tracker.client.get_run(tracker.run_id)
    assert Path("runs/mlflow.db").is_file()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "evaluate glyphnet digits"
    assert run.data.params.items() >= {"backbone": "glyphnet", "candidates": "1"}.items()
    assert run.data.metrics[f"mean_accuracy/{PAGE_CURVE}"] == pytest.approx(rows["accuracy"].mean())
    history = tracker.client.get_metric_history(tracker.run_id, f"{PAGE_CURVE}/accuracy")
    assert [one.step for one in history] == [0, 1, 2]
    assert [one.value for one in history] == rows["accuracy"].tolist()
    with pytest.raises(KShotError, match="enough"):
        call(tracker, Fails())
    failed = tracker.client.get_run(tracker.run_id)
    assert failed.info.run_id != run.info.run_id
    assert failed.info.experiment_id == run.info.experiment_id
    assert failed.info.status == "FAILED"
    assert "enough" in failed.data.tags["error"]


# ---- Weights & Biases -------------------------------------------------------------------------


def records(folder):
    """Yield what is in the file of an offline run: records in blocks, as LevelDB writes its log."""
    proto = import_module("wandb.proto.wandb_internal_pb2")
    (file,) = folder.glob("*.wandb")
    content, at, whole = file.read_bytes(), 7, b""
    assert content.startswith(b":W&B")
    while at + 7 <= len(content):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
        _, length, kind = struct.unpack_from("<IHB", content, at)
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        # 1: a record, 2 and 3: its first part and one between, 4: its last part.
        if kind in (1, 4):
            yield proto.Record.FromString(whole)
            whole = b""


@pytest.mark.slow
def test_wandb_holds_the_rows_in_a_folder_here(tmp_path, monkeypatch):
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--password=secret"])
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    # Nothing of it lies in the home folder of who runs the tests.
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "own"))
    try:
        names = run_block("Weights & Biases")
    finally:
        import_module("wandb").teardown()
    if Path("/proc/self/environ").exists():
        end = time.monotonic() + GONE
        while marked(mark) and time.monotonic() < end:
            time.sleep(0.05)
        assert marked(mark) == []
    tracker, rows = names["tracker"], names["rows"]
    assert tracker.run_folder.resolve().parent == tmp_path / "runs" / "wandb"
    assert tracker.run_folder.name.startswith("offline-run-")
    found = list(records(tracker.run_folder))
    (run,) = [one.run for one in found if one.HasField("run")][:1]
    assert (run.project, run.display_name, list(run.tags)) == (
        "my-project",
        "evaluate glyphnet digits",
        ["digits"],
    )
    assert any(
        one.key == "backbone" and one.value_json == '"glyphnet"' for one in run.config.update
    )
    logged = [
        float(item.value_json)
        for one in found
        if one.HasField("history")
        for item in one.history.item
        if f"{PAGE_CURVE}/accuracy" in ("/".join(item.nested_key), item.key)
    ]
    assert logged == rows["accuracy"].tolist()
    # Who sends a run does not send what the command was told, or where it ran.
    written = b"".join(one.read_bytes() for one in tracker.run_folder.rglob("*") if one.is_file())
    for private in ("--password=secret", sys.executable):
        assert private.encode() not in written


def test_wandb_takes_one_of_two_modes():
    with pytest.raises(KShotError, match="'offline', 'online'"):
        kv.trackers.WandB(mode="onlin")


# ---- what they share --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "package", "extra"),
    [
        ("TensorBoard", "tensorboard", "tensorboard"),
        ("MLflow", "mlflow", "mlflow"),
        ("WandB", "wandb", "wandb"),
    ],
)
def test_a_missing_package_is_told_at_once_with_its_extra(make, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    cure = rf"{make} needs the package {package}.*pip install 'kshot-viz\[{extra}\]'"
    with pytest.raises(KShotError, match=cure):
        getattr(kv.trackers, make)()


def test_a_folder_that_is_named_like_a_package_is_none(tmp_path, monkeypatch):
    from kshot_viz.extras import check_installed

    (tmp_path / "folder_alone").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KShotError, match=r"pip install 'kshot-viz\[any\]'"):
        check_installed("folder_alone", "any", "A test")


def row(method, accuracy, *, pool="test", candidate="a", steps=2):
    return {
        "pool": pool,
        "way": 5,
        "shot": 1,
        "method": method,
        "candidate": candidate,
        "steps": steps,
        "accuracy": accuracy,
        "support_loss": math.nan,
        "support_accuracy": 1.0,
        "seconds": 0.5,
    }


def test_curves_count_their_own_rows_and_leave_out_what_is_not_finite():
    series = Series("evaluate")
    assert series.add(row("plain", 0.5))[0] == 0
    assert series.add(row("grouped", 0.5))[0] == 0
    number, values = series.add(row("plain", 0.7))
    assert number == 1
    assert values == {
        "test/5-way/1-shot/plain/accuracy": 0.7,
        "test/5-way/1-shot/plain/support_accuracy": 1.0,
        "test/5-way/1-shot/plain/seconds": 0.5,
    }


def test_only_curves_of_one_setting_have_a_mean():
    series = Series("compare_methods")
    for one in (row("plain", 0.5), row("plain", 1.0), row("grouped", 0.5)):
        series.add(one)
    series.add(row("grouped", 1.0, candidate="b"))
    assert series.means() == {"mean_accuracy/test/5-way/1-shot/plain": 0.75}


@pytest.mark.parametrize(
    ("kind", "row", "expected"),
    [
        (
            "finetune",
            {"step": 4, "loss": 0.5, "accuracy": 1.0},
            (4, {"finetune/loss": 0.5, "finetune/accuracy": 1.0}),
        ),
        (
            "search_groups",
            {"rollout": 7, "reward": 0.5, "best": math.nan, "status": "complete"},
            (7, {"search_groups/reward": 0.5}),
        ),
    ],
)
def test_steps_and_rollouts_are_counted_by_their_own_numbers(kind, row, expected):
    assert Series(kind).add(row) == expected
    assert Series(kind).means() == {}
