"""Damage to files as crashes, bad disks, editors and hands do it; each seed is one kind of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

Generator = np.random.Generator
ODD = [None, True, -1, 0, 7.0, 1e300, float("nan"), float("inf"), "", "x", "\0", [], {}, [[[]]]]
ODD += [{"a": 1}, [1, "2", None], 2**70, "9" * 50, "../../etc", [0] * 1000]


def cut(content: bytes, rng: Generator) -> bytes:
    return content[: rng.integers(len(content))]


def flip(content: bytes, rng: Generator, times: int = 1) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(len(changed), size=times):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flip_many(content: bytes, rng: Generator) -> bytes:
    return flip(content, rng, times=20)


def zeros(content: bytes, rng: Generator) -> bytes:
    start, stop = sorted(rng.integers(len(content) + 1, size=2))
    return content[:start] + b"\0" * int(stop - start) + content[stop:]


def without_a_part(content: bytes, rng: Generator) -> bytes:
    start, stop = sorted(rng.integers(len(content) + 1, size=2))
    return content[:start] + content[stop:]


def part_twice(content: bytes, rng: Generator) -> bytes:
    start, stop = sorted(rng.integers(len(content) + 1, size=2))
    return content[:stop] + content[start:]


def noise_inside(content: bytes, rng: Generator) -> bytes:
    place = int(rng.integers(len(content) + 1))
    return content[:place] + rng.bytes(30) + content[place:]


def nothing(content: bytes, rng: Generator) -> bytes:
    return b"\0" * int(rng.integers(2)) * len(content)


def odd_value(content: bytes, rng: Generator) -> bytes:
    return _edited(content, rng, lambda holder, key: _put(holder, key, ODD[rng.integers(len(ODD))]))


def without_a_value(content: bytes, rng: Generator) -> bytes:
    return _edited(content, rng, lambda holder, key: holder.pop(key))


def other_digit(content: bytes, rng: Generator) -> bytes:
    """Change a digit, as a hand does that wants another number."""
    places = [i for i, byte in enumerate(content) if chr(byte).isdigit()]
    if not places:
        return flip(content, rng)
    changed = bytearray(content)
    place = places[rng.integers(len(places))]
    changed[place] = ord("0") + (changed[place] - ord("0") + 1 + int(rng.integers(9))) % 10
    return bytes(changed)


DAMAGE = (cut, flip, flip_many, zeros, without_a_part, part_twice, noise_inside, nothing)
EDITS = (odd_value, odd_value, odd_value, without_a_value, without_a_value, other_digit)


def mutated(content: bytes, seed: int, *, text: bool) -> bytes:
    """Return damaged content; ``text`` is JSON, or lines of it, which hands edit too."""
    ways = (*DAMAGE, *EDITS) if text else DAMAGE
    return ways[seed % len(ways)](content, np.random.default_rng(seed))


def _edited(content: bytes, rng: Generator, act: Callable[[Any, Any], object]) -> bytes:
    """Act on one value of a JSON document, or of one of its lines."""
    lines = content.decode().splitlines() if _is_lines(content) else [content.decode()]
    number = int(rng.integers(len(lines)))
    document = json.loads(lines[number])
    places = list(_places(document))
    act(*places[rng.integers(len(places))])
    lines[number] = json.dumps(document)
    return ("\n".join(lines) + "\n").encode()


def _is_lines(content: bytes) -> bool:
    try:
        return bool(json.loads(content.splitlines()[0])) and content.count(b"\n") > 1
    except ValueError:
        return False


def _places(node: Any) -> Any:
    """Yield every value of a document, as what holds it and its key."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def _put(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value
