"""What is searched on: tasks, rewards, spaces and budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from recorded_photos import by_files

import kshot_viz as kv
from kshot_viz.search.rewards.reward import Reward

# A large step size of the head was bad for every candidate of a first look, and with a small one
# the body hardly moves unless its own step size is large.
CONFIG = kv.FinetuneConfig(lr=0.01, head_lr=0.01, steps=40)
SETTINGS = {
    "lr": (0.003, 0.01, 0.03, 0.1, 0.3),
    "head_lr": (0.003, 0.01, 0.03),
    "steps": (10, 20, 40),
}
# Photographs take a second a candidate, so there is less of everything.
PHOTO_SETTINGS = {"lr": (0.003, 0.01, 0.03, 0.1), "head_lr": (0.003, 0.01, 0.03), "steps": (10, 40)}
PHOTO_GRID = kv.TuningGrid(
    lrs=PHOTO_SETTINGS["lr"], head_lrs=PHOTO_SETTINGS["head_lr"], steps=PHOTO_SETTINGS["steps"]
)
# Rivals choose from at least as much.
GRID = kv.TuningGrid(
    lrs=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    head_lrs=(0.003, 0.01, 0.03, 0.1),
    steps=(5, 10, 20, 40),
)


@dataclass(frozen=True)
class Size:
    """How large a search on digits is: upper layers, reward tasks, budget, fresh episodes.

    Rivals choose on ``tuned`` validation episodes. Where the lower half of the network stays
    frozen, a candidate takes a quarter of the time.
    """

    layers: int = 2
    tasks: int = 12
    budget: float = 100
    episodes: int = 50
    refined: int = 12
    top: int = 1
    tuned: int = 12


# At 1 shot rivals choose on every validation episode that any winner was chosen on.
THOROUGH = Size(tasks=24, episodes=200, refined=60, top=5, tuned=60)
SIZES = {
    (1, "letters"): Size(layers=4, tasks=6, refined=24, tuned=6),
    (1, "validation"): Size(),
    (1, "thorough"): THOROUGH,
    (1, "assignments"): THOROUGH,
    (5, "letters"): Size(tasks=6, refined=24, tuned=6),
    (5, "validation"): Size(),
    (5, "thorough"): replace(THOROUGH, tuned=24),
}
REWARDS = {
    "letters": "tasks of letters",
    "validation": "validation episodes",
    "thorough": "twice as many validation episodes",
    "assignments": "the same, in the space of assignments",
}


@dataclass(frozen=True)
class Task:
    """One search problem, and the fresh tasks its winners are scored on.

    ``arms`` are (sampler, pruning) -> seeds; ``forming`` are images that may form groups of the
    rivals; ``refined`` are tasks of the reward's kind, to choose among the ``top`` candidates of
    each of the controller's searches.
    """

    name: str
    title: str
    backbone: kv.Backbone
    target: kv.ImageDataset
    episodes: Sequence[kv.Episode]
    reward: Reward
    refined: Reward
    forming: kv.ImageDataset
    space: kv.GroupSpace | kv.AssignmentSpace
    budget: float
    arms: dict[tuple[str, str | None], Sequence[int]]
    n_val: int = 6
    grid: kv.TuningGrid = GRID
    top: int = 1


def digits(shot: int, kind: str, _: Path | None) -> Task:
    """Return digits with the bundled network, rewarded by tasks of letters, or of digits."""
    backbone = kv.load_backbone("glyphnet")
    target = kv.load_dataset("digits")
    size = SIZES[shot, kind]
    episodes = kv.sample_episodes(target, way=10, shot=shot, query=15, n=size.episodes, seed=0)
    forming = kv.load_dataset("glyphs", per_class=1)

    def letters(n: int, seed: int) -> Reward:
        source = kv.load_dataset("glyphs", per_class=20, seed=seed)
        return kv.pseudo_episode_reward(source, way=20, shot=shot, query=3, n=n, seed=seed)

    def validation(n: int, seed: int) -> Reward:
        # The episodes that every rival's step sizes are chosen on, so the labels are the same.
        drawn = kv.validation_episodes(target, episodes, n=n)
        return kv.validation_reward(target, drawn, source=forming)

    reward = letters if kind == "letters" else validation
    layers = list(backbone.layers)[-size.layers :]
    arms: dict[tuple[str, str | None], Sequence[int]] = {
        (sampler, None): range(5) for sampler in ("reinforce", "random", "tpe")
    }
    if (shot, kind) == (5, "thorough"):
        del arms["tpe", None]
    if (shot, kind) == (1, "validation"):
        # Ten seeds of these two also say how much budget halving saves.
        arms |= {("random", None): range(10), ("reinforce", "halving"): range(10)}
    return Task(
        name=f"digits_{shot}_shot_{kind}",
        title=f"Digits, {shot} shot{'s' if shot > 1 else ''}, reward: {REWARDS[kind]}",
        backbone=backbone,
        target=target,
        episodes=episodes,
        reward=reward(size.tasks, 3),
        refined=reward(size.refined, 4),
        forming=forming,
        space=space(kind, backbone, forming, layers),
        budget=size.budget,
        arms=arms,
        n_val=size.tuned,
        top=size.top,
    )


def space(
    kind: str, backbone: kv.Backbone, forming: kv.ImageDataset, layers: Sequence[str]
) -> kv.GroupSpace | kv.AssignmentSpace:
    """Return what is searched: how groups are formed, or who is in them."""
    if kind == "assignments":
        seen = kv.capture_activations(backbone, forming, layers=layers)
        return kv.AssignmentSpace.of(backbone, seen, settings=SETTINGS, config=CONFIG)
    return kv.GroupSpace.of(backbone, layers=layers, settings=SETTINGS, config=CONFIG)


def office(domain: str, reward: str, data: Path | None) -> Task:
    """Return photographs with SqueezeNet; two kinds of reward."""
    if data is None:
        raise SystemExit("The photographs need --data FOLDER with office_caltech10 in it.")
    backbone = kv.load_backbone(
        "squeezenet1_1", weights=data / "squeezenet1_1_imagenet_features.npz", size=96
    )
    target = by_files(kv.load_dataset(data / "office_caltech10" / domain))
    other = {"webcam": "amazon", "amazon": "webcam"}[domain]
    elsewhere = by_files(kv.load_dataset(data / "office_caltech10" / other))
    forming = kv.load_dataset(data / "imagenet_samples", labelled=False)
    episodes = kv.sample_episodes(target, way=10, shot=1, query=15, n=50, seed=0)
    # Of the validation pool: no test episode asks for one of these images.
    support, _ = kv.validation_episodes(target, episodes, n=1)[0].split(target)
    rewards = {
        "other_domain": lambda n, seed: kv.pseudo_episode_reward(
            elsewhere, way=10, shot=1, query=8, n=n, same_classes=True, seed=seed
        ),
        "augmented": lambda n, seed: _labelled(
            kv.augmented_support_reward(support, query=8, n=n, source=forming, seed=seed),
            len(support),
        ),
    }
    # The last block of layers is where trials found room; the trunk is computed once.
    layers = list(backbone.layers)[-9:]
    return Task(
        name=f"{domain}_{reward}",
        title=f"{domain.capitalize()}, 1 shot, SqueezeNet at 96 pixels, reward: "
        + {"other_domain": f"tasks of {other}", "augmented": "varied copies of the k images"}[
            reward
        ],
        backbone=backbone,
        target=target,
        episodes=episodes,
        reward=rewards[reward](4, 3),
        refined=rewards[reward](8, 4),
        forming=forming,
        space=kv.GroupSpace.of(backbone, layers=layers, settings=PHOTO_SETTINGS, config=CONFIG),
        budget=60,
        arms={("reinforce", None): range(2), ("random", None): range(2)},
        n_val=4,
        grid=PHOTO_GRID,
    )


def _labelled(reward: Reward, labels: int) -> Reward:
    """Say that the k images varied here are not those that the winner is tested with."""
    note = f"{reward.note} They are of a validation task, so these labels are counted."
    return replace(reward, target_labels=labels, note=note)


TASKS: dict[str, Callable[[Path | None], Task]] = {
    **{f"digits_{shot}_shot_{kind}": partial(digits, shot, kind) for shot, kind in SIZES},
    **{
        f"{domain}_{reward}": partial(office, domain, reward)
        for domain in ("webcam", "amazon")
        for reward in ("augmented", "other_domain")
    },
}
