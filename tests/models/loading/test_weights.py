from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.models.loading.weights import load_weights, read_weights

SUFFIXES = [".safetensors", ".pth", ".pt", ".npz"]


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def save(weights, path):
    if path.suffix == ".safetensors":
        save_file(weights, path)
    elif path.suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in weights.items()})
    else:
        torch.save(weights, path)
    return path


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return tmp_path / f"net{request.param}"


def test_every_format_round_trips(path):
    weights = net().state_dict()
    found = read_weights(save(weights, path))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[key], weights[key]) for key in weights)


def test_a_file_that_fits_is_loaded(path):
    source, target = net(), net()
    nn.init.zeros_(target[0].weight)
    load_weights(target, save(source.state_dict(), path))
    assert torch.equal(target[0].weight, source[0].weight)


def test_a_cut_off_file_is_named(path):
    save(net().state_dict(), path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 7):
        path.write_bytes(whole[:length])
        with pytest.raises(KShotFileError, match=path.name):
            read_weights(path)


def test_a_missing_file_and_another_ending(path, tmp_path):
    with pytest.raises(KShotFileError, match=f"no weights file.*{path.name}"):
        read_weights(path)
    with pytest.raises(KShotFileError, match=r"\.safetensors, \.pth, \.pt, \.npz"):
        read_weights(tmp_path / "net.bin")


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
def test_wrappers_and_prefixes_are_taken_off(tmp_path, wrapper, prefix):
    weights = net().state_dict()
    inner = {prefix + key: value for key, value in weights.items()}
    torch.save(inner if wrapper is None else {wrapper: inner, "epoch": 3}, tmp_path / "net.pth")
    assert read_weights(tmp_path / "net.pth").keys() == weights.keys()


def test_only_a_common_prefix_is_taken_off(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "net.pth")
    assert set(read_weights(tmp_path / "net.pth")) == {"module.a", "b"}


class Trap:
    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_nothing_in_a_file_is_executed(tmp_path):
    torch.save({"a": Trap()}, tmp_path / "net.pth")
    with pytest.raises(KShotFileError, match="weights_only=True"):
        read_weights(tmp_path / "net.pth")
    np.savez(tmp_path / "net.npz", a=np.array([Trap()], dtype=object))
    with pytest.raises(KShotFileError, match=r"net\.npz"):
        read_weights(tmp_path / "net.npz")
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"a": torch.ones(1), "b": 3}, "something else: b"),
        ([torch.ones(1)], "a list"),
        ({}, "an empty one"),
        (torch.ones(1), "a Tensor"),
    ],
    ids=["a number", "a list", "nothing", "a tensor"],
)
def test_a_file_must_hold_named_tensors(tmp_path, content, word):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(KShotFileError, match=word):
        read_weights(tmp_path / "net.pth")


# ---- files that do not fit --------------------------------------------------------------------


def test_missing_unexpected_and_misshapen_keys_are_listed(path):
    weights = net().state_dict()
    del weights["0.bias"]
    weights["9.extra"] = torch.ones(2)
    weights["1.weight"] = torch.ones(7)
    save(weights, path)
    target = net()
    before = target[0].weight.clone()
    with pytest.raises(KShotValueError) as caught:
        load_weights(target, path)
    message = str(caught.value)
    assert path.name in message
    assert "1 missing: 0.bias" in message
    assert "1 unexpected: 9.extra" in message
    assert "1 of another shape: 1.weight (7,) for (4,)" in message
    assert torch.equal(target[0].weight, before)


def test_only_the_first_eight_are_listed(tmp_path):
    wide = nn.Sequential(*(nn.Linear(1, 1) for _ in range(6)))
    path = save({"x": torch.ones(1)}, tmp_path / "net.safetensors")
    with pytest.raises(
        KShotValueError, match=r"12 missing: 0\.weight,.*3\.bias and 4 more; 1 unex"
    ):
        load_weights(wide, path)


@pytest.mark.parametrize("change", ["missing", "misshapen", "superfluous"])
def test_the_head_need_not_fit(tmp_path, change):
    weights = net().state_dict()
    if change == "missing":
        del weights["3.weight"], weights["3.bias"]
    elif change == "misshapen":
        weights["3.weight"], weights["3.bias"] = torch.ones(9, 16), torch.ones(9)
    else:
        weights["3.more"] = torch.ones(2)
    path = save(weights, tmp_path / "net.safetensors")
    with pytest.raises(KShotValueError, match="does not fit"):
        load_weights(net(), path)
    load_weights(net(), path, head="3")


def test_an_old_file_without_the_counter_of_batches_fits(tmp_path):
    weights = net().state_dict()
    del weights["1.num_batches_tracked"]
    load_weights(net(), save(weights, tmp_path / "net.pth"))


def test_the_type_of_the_network_stays(tmp_path):
    path = save({k: v.double() for k, v in net().state_dict().items()}, tmp_path / "net.npz")
    target = net()
    load_weights(target, path)
    assert target[0].weight.dtype == torch.float32


def test_dates_in_an_archive_are_a_file_error(tmp_path):
    np.savez(tmp_path / "dates.npz", day=np.array(["2026-01-01"], dtype="datetime64[D]"))
    with pytest.raises(KShotFileError, match=r"dates\.npz cannot be read"):
        read_weights(tmp_path / "dates.npz")


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_file_that_holds_itself_is_a_file_error(tmp_path, key):
    circle = {}
    circle[key] = circle
    torch.save(circle, tmp_path / "circle.pt")
    with pytest.raises(KShotFileError, match=r"circle\.pt must hold only tensors"):
        read_weights(tmp_path / "circle.pt")


def test_wrappers_and_prefixes_without_end_are_taken_off(tmp_path):
    weights = {"module." * 2000 + "a": torch.zeros(1)}
    for _ in range(400):
        weights = {"model": weights}
    torch.save(weights, tmp_path / "deep.pt")
    assert list(read_weights(tmp_path / "deep.pt")) == ["a"]


@pytest.mark.parametrize("seed", range(12))
def test_a_file_with_changed_bytes_is_read_or_named(path, seed):
    rng = np.random.default_rng(seed)
    whole = bytearray(save(net().state_dict(), path).read_bytes())
    for _ in range(rng.integers(1, 30)):
        # Headers are where most damage shows.
        most = len(whole) if rng.random() < 0.5 else 200
        whole[rng.integers(min(most, len(whole)))] = rng.integers(256)
    path.write_bytes(bytes(whole[: rng.integers(len(whole) // 2, len(whole) + 1)]))
    with contextlib.suppress(KShotFileError):
        assert all(isinstance(value, torch.Tensor) for value in read_weights(path).values())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(path, value):
    weights = net().state_dict()
    weights["0.weight"][0, 0, 0, 0] = value
    target = net()
    with pytest.raises(KShotValueError, match=rf"{path.name}.*NaN or infinite: 0\.weight"):
        load_weights(target, save(weights, path))
    assert bool(torch.isfinite(target[0].weight).all())
    load_weights(net(), path, head="0")
