"""Training of the bundled words: names of letters for the bundled network, offline."""

from __future__ import annotations

from pathlib import Path

from kshot_viz.data.glyphs.letters import load_letters
from kshot_viz.models.loading.load_backbone import GLYPHNET, load_backbone
from kshot_viz.words.files import BUNDLED_WORDS
from kshot_viz.words.storage import WEIGHTS
from kshot_viz.words.training.fit import fit_words
from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.words import Words

PER_CLASS = 30
BUNDLED_RECIPE = WordsRecipe(adapt="scale_shift", adapt_steps=1200)


def pretrain_words(
    out_dir: str | Path,
    *,
    seed: int = 0,
    recipe: WordsRecipe | None = None,
    per_class: int = PER_CLASS,
    progress: bool = True,
) -> Words:
    """Train words on letters with marks for the bundled network, and write them.

    Parameters
    ----------
    out_dir : str or pathlib.Path
        Gets ``glyphnet-words.safetensors``, its record ``glyphnet-words.json``, and checkpoints
        that an interrupted run goes on from; made if missing.
    seed : int, default 0
        Seed of the weights and of all tasks. The letters are the same for every seed.
    recipe : WordsRecipe, optional
        :data:`BUNDLED_RECIPE` by default.
    per_class : int, default 30
        Images of each letter.
    progress : bool, default True
        Show progress bars.

    Returns
    -------
    Words
    """
    recipe = recipe or BUNDLED_RECIPE
    backbone, data = load_backbone(GLYPHNET), load_letters(per_class=per_class)
    words = fit_words(
        backbone, data, seed=seed, recipe=recipe, out=Path(out_dir), progress=progress
    )
    words.save(Path(out_dir) / f"{BUNDLED_WORDS}{WEIGHTS}")
    return words
