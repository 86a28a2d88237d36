"""A command that cannot work ends with a code and one line on stderr, never with a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from command_line import kshot, picture, small_run
from spoilt import World, cut, rewritten

from kshot_viz.study.files.comparison_files import SCHEMA

Command = tuple[Callable[[World], list[object]], tuple[str, ...]]


def after(change: Callable[[], object], words: list[object]) -> list[object]:
    change()
    return words


COMMANDS: dict[str, Command] = {
    "no such command": (lambda w: ["compair"], ("compair",)),
    "no folder given": (lambda w: ["compare"], ("Missing argument",)),
    "no such option": (lambda w: w.command("--shot", 1), ("--shot",)),
    "no such folder": (lambda w: ["compare", w.here / "no"], ("no' is not a folder",)),
    "a data set's name": (lambda w: ["compare", "digits"], ("digits' is not a folder",)),
    "a folder without classes": (
        lambda w: ["compare", w.pictures / "ape"],
        ("ape' must hold at least two class folders",),
    ),
    "a picture cut off": (lambda w: after(lambda: cut(w.file), w.command()), ("03.png",)),
    "too few pictures": (
        lambda w: w.command("--shots", 16),
        ("class 'ape' of 'zoo' has 16 images", "16 shots + at least 5 queries", "at most 11"),
    ),
    "shots 0": (lambda w: w.command("--shots", 0), ("--shots",)),
    "shots as a word": (lambda w: w.command("--shots", "one"), ("--shots",)),
    "shots as a list": (
        lambda w: w.command("--shots", "1,5"),
        ("'--shots'", "repeat it: --shots 1 --shots 5"),
    ),
    "step sizes as a list": (
        lambda w: w.command("--lr=0.1, 0.2"),
        ("repeat it: --lr 0.1 --lr 0.2",),
    ),
    "an unknown method": (
        lambda w: w.command("--method", "finetune"),
        ("`--method` must be one of", "'finetune'"),
    ),
    "methods as a list": (
        lambda w: w.command("--method", "plain,grouped"),
        ("repeat it: --method plain --method grouped",),
    ),
    "one way": (lambda w: w.command("--way", 1), ("--way",)),
    "too many ways": (lambda w: w.command("--way", 4), ("`way` must be 2..3", "'zoo'", "not 4")),
    "no episodes": (lambda w: w.command("--episodes", 0), ("--episodes",)),
    "a seed below zero": (lambda w: w.command("--seed", -1), ("--seed",)),
    "a share above one": (lambda w: w.command("--val-share", 2), ("--val-share",)),
    "no workers": (lambda w: w.command("--workers", 0), ("--workers",)),
    "no groups": (lambda w: w.command("--groups", 0), ("`--groups`", "(0, 1]", "'0'")),
    "half a group": (lambda w: w.command("--groups", "1.5"), ("`--groups`", "'1.5'")),
    "more groups than neurons": (
        lambda w: w.command("--groups", 33),
        ("'blocks.0.conv' has 32 neurons", "1 to 32", "not 33"),
    ),
    "tuning by magic": (lambda w: w.command("--tune", "magic"), ("--tune", "'validation'")),
    "tuning on no source": (
        lambda w: w.command("--tune", "source"),
        ("`--tune source` needs `--source`",),
    ),
    "a choice that nothing makes": (
        lambda w: w.command("--lr", 0.1),
        ("`--tune none` chooses nothing", "`--lr`"),
    ),
    "a step in units of features without a choice": (
        lambda w: w.command("--feature-step", 1),
        ("`--feature-step` is among what is chosen", "`--head-lr`"),
    ),
    "no step size": (
        lambda w: small_run(w.pictures, w.weights, w.here / "out", "--lr", 0),
        ("`lrs`", "positive numbers"),
    ),
    "a source that is queries": (
        lambda w: w.command("--source", w.pictures),
        ("`source` images are query images",),
    ),
    "no source": (lambda w: w.command("--source", w.here / "none"), ("none' is no folder",)),
    "an unknown network": (
        lambda w: w.command("--backbone", "glypnet"),
        ("`--backbone`", "'glypnet'", "Did you mean 'glyphnet'?"),
    ),
    "weights that are not there": (
        lambda w: w.command("--weights", w.here / "no.pth"),
        ("no.pth",),
    ),
    "corrupt weights": (
        lambda w: w.command("--weights", w.written("w.safetensors", "noise")),
        ("w.safetensors cannot be read",),
    ),
    "weights of another network": (
        lambda w: w.command("--weights", w.change_weights(new=torch.zeros(1))),
        ("does not fit the network", "unexpected: new"),
    ),
    "an unknown recipe": (
        lambda w: w.command("--preprocess", "glyph"),
        ("'glyph'", "Did you mean 'glyphs'?"),
    ),
    "pictures too small for the network": (
        lambda w: w.command("--size", 8),
        ("8x8 px is too small", "16x16 px"),
    ),
    "an unknown device": (lambda w: w.command("--device", "tpu"), ("auto, cpu or cuda", "'tpu'")),
    "results into a file": (
        lambda w: w.command("--out", w.written("out.txt", "x")),
        ("out.txt is a file; results need a folder",),
    ),
    "rows of something else": (
        lambda w: after(
            lambda: ((w.here / "out").mkdir(), w.written("out/rows.jsonl", "no row\n")),
            w.command(),
        ),
        ("rows.jsonl, line 1",),
    ),
    "replay of nothing": (
        lambda w: ["replay", w.here, "--row", 0],
        ("comparison.json", "no such file"),
    ),
    "replay without a row": (lambda w: ["replay", w.here], ("--row",)),
    "replay of a row below zero": (lambda w: ["replay", w.here, "--row", -1], ("--row",)),
    "replay of a row too far": (
        lambda w: ["replay", w.finished(), "--row", 999],
        ("`row` must be 0 to 5", "not 999"),
    ),
    "replay of cut-off rows": (
        lambda w: ["replay", cut(w.finished() / "results.parquet").parent, "--row", 0],
        ("results.parquet", "cut off"),
    ),
    "replay of a newer file": (
        lambda w: [
            "replay",
            rewritten(w.finished() / "comparison.json", schema=SCHEMA + 1).parent,
            "--row",
            0,
        ],
        (f"comparison.json has schema {SCHEMA + 1}", "newer"),
    ),
    "replay of a cut-off request": (
        lambda w: ["replay", cut(w.finished() / "request.json").parent, "--row", 0],
        ("request.json cannot be read",),
    ),
    "replay of another request": (
        lambda w: after(
            lambda: (w.finished() / "request.json").write_text("{}"),
            ["replay", w.here / "finished", "--row", 0],
        ),
        ("request.json holds no request",),
    ),
    "replay with other pictures": (
        lambda w: after(
            lambda: picture(2, 999).save(w.file),
            ["replay", w.asked(folder=str(w.pictures)), "--row", 0],
        ),
        ("episode test/0 belongs to 'zoo' with fingerprint",),
    ),
    "replay with another network": (
        lambda w: [
            "replay",
            w.asked(weights=str(w.change_weights(blocks__0__norm__bias=torch.ones(32)))),
            *("--row", 0),
        ],
        ("`backbone` has fingerprint", "'glyphnet'"),
    ),
    "letters of a third kind": (
        lambda w: ["pretrain", "--homoglyphs", "some"],
        ("--homoglyphs", "'exclude'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_says_what_is_wrong(world, name):
    words, expected = COMMANDS[name]
    ended = kshot(*words(world))
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert ended.complaint.startswith("kshot-viz: ")
    assert ended.err.count("kshot-viz: ") == 1
    assert all(word in ended.complaint for word in expected), ended.complaint


@pytest.mark.skipif(torch.cuda.is_available(), reason="the requested device is there")
def test_a_device_that_is_not_there(world):
    ended = kshot(*world.command("--device", "cuda"))
    assert (ended.code, ended.out) == (2, "")
    assert "torch sees no CUDA device" in ended.complaint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workers"),
    [("a picture cut off", 1), ("replay of nothing", None), ("more groups than neurons", 2)],
)
def test_a_shell_sees_one_line_and_a_code(world, name, workers):
    words, expected = COMMANDS[name]
    command = [*words(world), *(["--workers", workers] if workers else [])]
    entry = [sys.executable, "-c", "from kshot_viz.cli import main; main()"]
    ended = subprocess.run([*entry, *map(str, command)], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    last = ended.stderr.rstrip().split("\n")[-1]
    assert all(word in last for word in expected), ended.stderr


@pytest.mark.slow
def test_fewer_queries_of_a_small_class_have_to_be_allowed(world):
    for path in sorted((world.pictures / "bee").iterdir())[4:]:
        path.unlink()
    refused = kshot(*world.command())
    assert refused.code == 2
    for part in ("class 'bee' of 'zoo' has 4 images", "at least 5 queries", "--min-query"):
        assert part in refused.complaint
    drawn = dict.fromkeys(("comparison_figures", "grouping_figures"), lambda *inputs: {})
    with patch.multiple("kshot_viz.cli.results", **drawn):
        ended = kshot(*world.command("--min-query", 3, "--episodes", 1))
    assert ended.code == 0, ended.err
    assert "fewer queries ('bee' 3)" in ended.out
