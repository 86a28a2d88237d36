"""The commands end to end, on pictures made up here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import UNTUNED, Ended, kshot, make_pictures, make_weights, picture, small_run

import kshot_viz
import kshot_viz as kv
from kshot_viz.cli.compare import load_candidates
from kshot_viz.cli.results import refuse_another, save_request
from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate import executors
from kshot_viz.methods.registry import FIRST
from kshot_viz.study.comparison import Comparison

RESULTS = {"results.parquet", "comparison.json", "request.json", "rows.jsonl", "report.html"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("given") / "zoo")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return make_weights(tmp_path_factory.mktemp("weights") / "net.safetensors")


@pytest.fixture(scope="module")
def finished(pictures, weights, tmp_path_factory) -> tuple[Ended, Path]:
    """One comparison with everything at its default but the sizes."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return kshot(*small_run(pictures, weights, out)), out


def rows(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "results.parquet").drop(columns="seconds")


# ---- help --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["demo", "compare", "replay", "pretrain"]),
        (("demo",), ["--out", "--workers", "--full", "--seed"]),
        (
            ("compare",),
            ["folder", "--weights", "--shots", "--groups", "--tune", "--source", "--skip-bad"],
        ),
        (("replay",), ["folder", "--row"]),
        (("pretrain",), ["--out", "--homoglyphs"]),
        (("pretrain-words",), ["--out", "--seed"]),
    ],
)
def test_help_of_each_command(words, expected):
    ended = kshot(*words, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert all(word in ended.out for word in expected)


def test_no_command_shows_the_help():
    ended = kshot()
    assert ended.code == 2
    assert "compare" in ended.out + ended.err
    assert "kshot-viz: \n" not in ended.err


def test_help_needs_nothing_heavy():
    code = (
        "import sys; sys.argv = ['kshot-viz', '--help']\n"
        "from kshot_viz.cli import main\n"
        "main()\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# ---- compare -----------------------------------------------------------------------------------


def test_no_shots_point_to_descriptions(pictures, tmp_path):
    ended = kshot("compare", str(pictures), "--shots", "0", "--out", str(tmp_path / "run"))
    assert ended.code == 2
    assert "at least 1" in ended.err
    assert "network_from_words" in ended.err


@pytest.mark.slow
def test_compare_leaves_rows_figures_and_a_page(finished):
    ended, out = finished
    assert ended.code == 0
    assert {path.name for path in out.iterdir() if path.suffix != ".png"} == RESULTS
    figures = {path.stem for path in out.glob("*.png")}
    assert {"accuracy", "accuracy_against_step_size_1_shot"} <= figures
    for start in ("first_layer_filters", "similarity_of_neurons_in", "map_of", "group_sizes"):
        assert [name for name in figures if name.startswith(start)]
    assert not [name for name in figures if "__" in name]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<img") == len(figures)
    assert "zoo: 1 shot, glyphnet" in page


@pytest.mark.slow
def test_compare_prints_what_it_loads_the_table_and_where_it_lies(finished):
    ended, out = finished
    assert "ImageDataset('zoo': 48 images, 3 classes" in ended.out
    assert "Backbone('glyphnet'" in ended.out
    assert "3 classes, 1 shot, 3 test episodes" in ended.out
    for name in ("head only", "last block", "plain", "groups", "shuffled groups", "weight groups"):
        assert name in ended.out
    assert f"Any row again: kshot-viz replay {out} --row 0" in ended.out


def test_compare_shows_its_progress(finished):
    ended, _ = finished
    assert "tune 1-shot: 100%" in ended.err
    assert "test 1-shot: 100%" in ended.err


def test_the_files_hold_the_whole_comparison(finished, pictures):
    _, out = finished
    comparison = Comparison.load(out)
    assert tuple(comparison.settings.method) == FIRST
    assert comparison.manifest["labels_used_for_tuning"] > 0
    assert set(comparison.frame.n_query) == {15}
    request = json.loads((out / "request.json").read_text())
    assert (request["kind"], request["folder"]) == ("compare", str(pictures))
    assert request["command"].startswith("kshot-viz compare")


@pytest.mark.slow
def test_the_same_command_again_runs_nothing(finished, pictures, weights, monkeypatch):
    _, out = finished
    before = rows(out)

    def never(task):
        raise AssertionError(f"{task.key} ran again")

    monkeypatch.setattr(executors, "run_job", never)
    ended = kshot(*small_run(pictures, weights, out))
    assert ended.code == 0
    assert rows(out).equals(before)


def test_another_request_does_not_replace_what_a_folder_holds(finished, pictures, weights):
    _, out = finished
    before = (out / "request.json").read_bytes()
    ended = kshot(*small_run(pictures, weights, out, "--seed", 7))
    assert ended.code == 2
    assert "holds another comparison; they differ in seed." in ended.complaint
    assert "--out" in ended.complaint
    assert (out / "request.json").read_bytes() == before


def test_another_rule_or_budget_goes_on_from_the_rows_of_a_folder(tmp_path):
    request = {"kind": "compare", "seed": 0, "choose": "guarded", "budget_minutes": 5}
    save_request(tmp_path, request)
    refuse_another(tmp_path, request | {"choose": "best", "budget_minutes": None, "race": False})
    with pytest.raises(KShotFileError, match="they differ in seed"):
        refuse_another(tmp_path, request | {"choose": "best", "seed": 1})
    save_request(tmp_path, request | {"groups": 1})
    with pytest.raises(KShotFileError, match="differ in groups"):
        refuse_another(tmp_path, request | {"groups": 1.0})


def test_candidates_of_one_name_take_the_names_of_their_files(tmp_path):
    paths = [tmp_path / "a" / "best.json", tmp_path / "b" / "best.json", tmp_path / "own.json"]
    for path, name in zip(paths, ["winner", "winner", "mine"], strict=True):
        path.parent.mkdir(exist_ok=True)
        kv.Candidate(name=name).save(path)
    found = load_candidates([str(path) for path in paths])
    assert [one.name for one in found] == ["a/best", "b/best", "mine"]


def test_replay_runs_one_row_again(finished):
    _, out = finished
    for row in (0, len(rows(out)) - 1):
        ended = kshot("replay", out, "--row", row)
        assert ended.code == 0
        assert f"row {row}: " in ended.out
        assert ended.out.endswith(": identical\n")


@pytest.mark.slow
def test_several_shots_without_tuning_keep_unreadable_pictures_out(weights, tmp_path):
    folder = make_pictures(tmp_path / "zoo", per_class=10)
    (folder / "bee" / "03.png").write_bytes(b"no picture")
    words = ("--shots", 1, "--shots", 2, "--episodes", 2, *UNTUNED)
    refused = kshot(*small_run(folder, weights, tmp_path / "out", *words))
    assert refused.code == 2
    assert "03.png" in refused.complaint
    ended = kshot(*small_run(folder, weights, tmp_path / "out", *words, "--skip-bad"))
    assert ended.code == 0
    assert "Skipped, since unreadable: bee/03.png." in ended.out
    found = rows(tmp_path / "out")
    assert set(found["shot"]) == {1, 2}
    assert set(found.pool) == {"test"}
    assert "Nothing was tuned" in ended.out
    assert set(found.steps) == {3}
    assert not list((tmp_path / "out").glob("*step_size*"))
    again = kshot("replay", tmp_path / "out", "--row", 0)
    assert again.out.endswith(": identical\n")


def test_methods_are_chosen_and_a_saved_candidate_keeps_its_settings(pictures, weights, tmp_path):
    grouping = kv.Grouping({"blocks.3.conv": [0] * 16 + [1] * 16})
    config = kv.FinetuneConfig(lr=0.02, head_lr=0.05, steps=4, layer_lr={"blocks.0.conv": 0.0})
    best = kv.Candidate(grouping, config).save(tmp_path / "best.json")
    words = ("--method", "bitfit", "--candidate", best, "--episodes", 2, *UNTUNED)
    out = tmp_path / "out"
    ended = kshot(*small_run(pictures, weights, out, *words))
    assert ended.code == 0, ended.err
    found = Comparison.load(out)
    assert list(found.settings.method) == ["bitfit", "best"]
    used = found.called("best", setting=found.settings["setting"].iloc[-1])[0]
    assert (used.config, used.grouping) == (config, grouping)
    assert kshot("replay", out, "--row", len(found.frame) - 1).code == 0


@pytest.mark.slow
def test_a_budget_is_kept_and_told(pictures, weights, tmp_path):
    words = ("--method", "plain", "--method", "head_only", "--budget-minutes", 60)
    ended = kshot(*small_run(pictures, weights, tmp_path / "out", *words))
    assert ended.code == 0, ended.err
    assert "This takes about" in ended.out + ended.err
    assert "To fit" not in ended.out


@pytest.mark.slow
def test_groups_from_a_flat_folder_of_other_pictures(pictures, weights, tmp_path):
    (tmp_path / "loose").mkdir()
    for i in range(8):
        picture(i % 3, 900 + i).save(tmp_path / "loose" / f"{i}.png")
    ended = kshot(
        *small_run(pictures, weights, tmp_path / "out", "--source", tmp_path / "loose", *UNTUNED),
        *("--groups", 4, "--episodes", 2),
    )
    assert ended.code == 0
    grouping = Comparison.load(tmp_path / "out").called("grouped")[0].grouping
    # The fifth may be a group of dead neurons.
    assert {grouping.n_groups(layer) for layer in grouping} <= {4, 5}
    assert kshot("replay", tmp_path / "out", "--row", 8).out.endswith(": identical\n")


@pytest.mark.slow
def test_tuning_on_a_labelled_source(pictures, weights, tmp_path):
    source = make_pictures(tmp_path / "others", per_class=24, seed=1)
    out = tmp_path / "out"
    ended = kshot(*small_run(pictures, weights, out, "--source", source, "--tune", "source"))
    assert ended.code == 0
    assert "No target label beyond" in " ".join(ended.out.split())
    found = rows(out)
    for pool in ("val", "test"):
        row = found.index[found.pool == pool][0]
        assert kshot("replay", out, "--row", row).out.endswith(": identical\n")


@pytest.mark.slow
def test_random_weights_by_name(pictures, tmp_path):
    words = small_run(pictures, "none", tmp_path / "out", "--episodes", 1, *UNTUNED)
    assert kshot(*words).code == 0


# ---- interrupts and full disks -----------------------------------------------------------------


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(finished, pictures, weights, tmp_path, monkeypatch):
    real, calls = executors.run_job, []

    def interrupted(task):
        calls.append(task)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return real(task)

    with monkeypatch.context() as patched:
        patched.setattr(executors, "run_job", interrupted)
        ended = kshot(*small_run(pictures, weights, tmp_path / "out"))
    assert ended.code == 130
    assert ended.complaint == (
        "kshot-viz: interrupted. Finished rows are kept; the same command goes on from them."
    )
    kept = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    assert len(kept) == 6
    assert kshot(*small_run(pictures, weights, tmp_path / "out")).code == 0
    assert rows(tmp_path / "out").equals(rows(finished[1]))


@pytest.mark.slow
def test_a_full_disk_names_the_file_and_keeps_the_rows(
    finished, pictures, weights, tmp_path, monkeypatch
):
    real, store = Path.open, tmp_path / "out" / "rows.jsonl"

    def full(self, mode="r", **kwargs):
        if mode == "a" and store.exists() and store.read_text().count("\n") == 5:
            raise OSError(28, "No space left on device")
        return real(self, mode, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        ended = kshot(*small_run(pictures, weights, tmp_path / "out"))
    assert ended.code == 2
    assert "rows.jsonl cannot be written (No space left on device)" in ended.complaint
    assert "run the same command again" in ended.complaint
    assert store.read_text().count("\n") == 5
    assert kshot(*small_run(pictures, weights, tmp_path / "out")).code == 0
    assert rows(tmp_path / "out").equals(rows(finished[1]))


@pytest.mark.slow
def test_a_full_disk_at_the_very_end_is_one_line(finished, pictures, weights, monkeypatch):
    _, out = finished

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    ended = kshot(*small_run(pictures, weights, out))
    assert ended.code != 0
    assert "No space left on device" in ended.complaint
    assert "Traceback" not in ended.err


# A process that was started in the background ignores Ctrl-C, and its children do too.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from kshot_viz.cli import main
main()
"""


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_then_the_same_command(pictures, weights, tmp_path):
    """A SIGINT to the whole group of processes, as a terminal sends it."""
    words = ("--episodes", 6, "--workers", 2, *UNTUNED[:-1], 80)
    command = small_run(pictures, weights, tmp_path / "out", *words)
    entry = [sys.executable, "-c", INTERRUPTIBLE]
    store = tmp_path / "out" / "rows.jsonl"
    process = subprocess.Popen(
        [*entry, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while not (store.exists() and store.read_text().count("\n") >= 3):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.rstrip().endswith("the same command goes on from them.")
    kept = store.read_text().count("\n")
    assert 3 <= kept < 6 * len(FIRST)
    assert not (tmp_path / "out" / "results.parquet").exists()
    # Rows depend on the request alone, so any number of workers may go on.
    assert kshot(*command, "--workers", 1).code == 0
    assert store.read_text().count("\n") == 6 * len(FIRST)
    whole = small_run(pictures, weights, tmp_path / "whole", *words, "--workers", 1)
    assert kshot(*whole).code == 0
    assert rows(tmp_path / "out").equals(rows(tmp_path / "whole"))


def test_the_version_is_printed():
    assert kshot("--version").out.strip() == f"kshot-viz {kshot_viz.__version__}"
