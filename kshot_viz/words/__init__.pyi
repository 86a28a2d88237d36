"""The public names of :mod:`kshot_viz.words`. Type checkers and the package itself read it."""

from .descriptions import describe as describe
from .evidence.word_evidence import word_evidence as word_evidence
from .files import load_words as load_words
from .head_init import HeadFromWords as HeadFromWords
from .letters.split import split_letters as split_letters
from .network import network_from_words as network_from_words
from .network import network_from_words_and_images as network_from_words_and_images
from .training.fit import fit_words as fit_words
from .training.recipe import WordsRecipe as WordsRecipe
from .words import Words as Words
