"""Weights of torchvision, "fetched" from a file: the hash, the cache, the command and its words."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from command_line import kshot

from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.models.loading import fetch as fetching
from kshot_viz.models.loading.fetch import Source, all_sources, fetch, source_of
from kshot_viz.models.loading.load_backbone import load_backbone

NAME = "squeezenet1_1"


@pytest.fixture
def source(tmp_path, monkeypatch) -> Source:
    """The record of real weights, which lead to a small file, and a cache that is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    away = tmp_path / "away" / "net-0.pth"
    away.parent.mkdir()
    weights = load_backbone(NAME, weights=None, size=32).module.state_dict()
    torch.save(weights, away)
    digits = hashlib.sha256(away.read_bytes()).hexdigest()[:8]
    named = away.rename(away.with_name(f"{NAME}-{digits}.pth"))
    found = replace(source_of(NAME), address=named.as_uri(), digits=digits)
    monkeypatch.setattr(fetching, "source_of", lambda *_: found)
    return found


# ---- what torchvision says --------------------------------------------------------------------


def test_every_network_has_a_source_with_a_hash_and_terms():
    found = all_sources()
    assert [one.megabytes for one in found] == sorted(one.megabytes for one in found)
    assert {"resnet18", NAME} <= {one.network for one in found}
    for one in found:
        assert len(one.digits) >= 8
        assert one.digits in one.address
        assert one.licence
        assert 1 < one.megabytes < 3000
        assert 30 < (one.accuracy or 0) < 100


def test_names():
    assert source_of("SqueezeNet1_1").network == NAME
    assert source_of("resnet50", "IMAGENET1K_V1").digits != source_of("resnet50").digits
    with pytest.raises(KShotKeyError, match="Did you mean 'resnet18'"):
        source_of("resnet-18")
    with pytest.raises(KShotKeyError, match="'IMAGENET1K_V1'"):
        source_of(NAME, "IMAGENET9K")
    with pytest.raises(KShotValueError, match=r"load_backbone\('timm/resnet18'\)"):
        source_of("timm/resnet18")


# ---- fetching ---------------------------------------------------------------------------------


def test_what_was_fetched_is_used_and_is_not_fetched_again(source, monkeypatch):
    assert not source.cached
    path = fetch(source)
    assert source.cached
    assert path.parent.name == "checkpoints"
    monkeypatch.setattr("torch.hub.download_url_to_file", None)
    assert fetch(source) == path


def test_a_file_that_is_cut_off_is_replaced(source):
    source.file.parent.mkdir(parents=True)
    source.file.write_bytes(b"cut")
    assert not source.cached
    assert fetch(source).stat().st_size > 1000


def test_another_file_than_expected_never_enters_the_cache(source):
    wrong = replace(source, digits="00000000")
    with pytest.raises(KShotFileError, match=r"could not be fetched .*hash"):
        fetch(wrong)
    assert list(source.file.parent.iterdir()) == []


def test_offline_the_message_says_which_file_belongs_where(source, monkeypatch):
    def no_internet(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_internet)
    with pytest.raises(KShotFileError, match="no route") as error:
        fetch(source)
    assert source.address in str(error.value)
    assert str(source.file) in str(error.value)


@pytest.mark.parametrize(("given", "own"), [(None, 0.2), (0.2, 60)])
def test_a_server_that_falls_silent_is_given_up(given, own, source, monkeypatch):
    """After our own limit, or that of the process where it has one."""
    monkeypatch.setattr(fetching, "SILENT_SECONDS", own)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(given)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}/{source.file.name}"
            with pytest.raises(KShotFileError, match="timed out"):
                fetch(replace(source, address=address))
        assert socket.getdefaulttimeout() == given
    finally:
        socket.setdefaulttimeout(before)


# ---- the command ------------------------------------------------------------------------------


def test_the_command_states_source_licence_and_hash(source):
    first, second = kshot("fetch", NAME), kshot("fetch", NAME)
    assert first.code == second.code == 0, first.err
    right = f"Fetched, with the right hash ({source.digits}...): {source.file}"
    for said in (source.address, "Licence: ", "4.7 MB", right):
        assert said in first.out
    assert "It was there already" in second.out


def test_the_command_offline_is_one_line(source, tmp_path, monkeypatch):
    gone = replace(source, address=(tmp_path / "gone-12345678.pth").as_uri())
    monkeypatch.setattr(fetching, "source_of", lambda *_: gone)
    ended = kshot("fetch", NAME)
    assert ended.code == 2
    assert "could not be fetched" in ended.complaint
    assert "Traceback" not in ended.err


def test_the_list_shows_what_is_there(source):
    lines = kshot("fetch", "--list").out.splitlines()
    assert len(lines) == len(all_sources()) + 1
    (line,) = [one for one in lines if one.startswith(f"{NAME} ")]
    assert line.split()[1:3] == ["4.7", "58.2"]


@pytest.mark.parametrize("words", [["fetch"], ["fetch", NAME, "--list"]])
def test_a_name_or_the_list(words):
    ended = kshot(*words)
    assert ended.code == 2
    assert "--list" in ended.complaint


def test_a_backbone_that_cannot_be_downloaded_names_the_command(monkeypatch, tmp_path):
    def no_internet(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_internet)
    with pytest.raises(KShotFileError, match=rf"`kshot-viz fetch {NAME}`"):
        load_backbone(NAME)
    with pytest.raises(KShotFileError, match="`kshot-viz fetch resnet50 --weights IMAGENET1K_V1`"):
        load_backbone("resnet50", weights="IMAGENET1K_V1")


class _Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_a_cached_file_is_hashed_and_never_runs_code(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    marker, found = tmp_path / "ran", source_of(NAME)
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: None)
    found.file.parent.mkdir(parents=True)
    torch.save(_Evil(marker), found.file)
    with pytest.raises(KShotFileError, match="something else than weights"):
        load_backbone(NAME)
    assert not marker.exists()
