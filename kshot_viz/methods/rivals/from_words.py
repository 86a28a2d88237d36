"""A head from descriptions of the classes, after N3 (Jin et al., ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.words.head_init import HeadFromWords


@register_method
@dataclass(frozen=True)
class FromWords(Method):
    """The head is made of descriptions of the classes; nothing trains.

    ``FromWords(head=HeadFromWords(descriptions))`` blends them with the images, where there are
    any; with ``prior_count=None`` the descriptions stand alone.
    """

    name = "from_words"
    label = "descriptions"
    tuned = ()
    takes_steps = False
    needs_images = False

    def applies(self, backbone: Backbone) -> str:
        """Return why the method cannot be used on a network, or ``""``."""
        if isinstance(self.head, HeadFromWords):
            return self.head.unfit(backbone)
        return "it needs descriptions: FromWords(head=HeadFromWords({class: text, ...}))"

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Train nothing: the head is as its start made it."""
        return []
