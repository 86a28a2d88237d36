"""The identity of a backbone's body: what its features depend on, the head left out."""

from __future__ import annotations

from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.modes import tensor_content
from kshot_viz.records import content_digest, record_digest


def body_fingerprint(backbone: Backbone) -> str:
    """Return the SHA-256 of weights and preprocess of a backbone without its head.

    Unlike ``backbone.fingerprint`` it stays the same when a head is put in or filled.
    """
    prepare = backbone.preprocess
    prepared = record_digest(prepare.to_dict()) if isinstance(prepare, Preprocess) else "own"
    named = [*backbone.module.named_parameters(), *backbone.module.named_buffers()]
    head = f"{backbone.head_name}."
    body = sorted(
        (pair for pair in named if not pair[0].startswith(head)), key=lambda pair: pair[0]
    )
    parts = (part for name, t in body for part in (f"{name}|", *tensor_content(t)))
    return content_digest([prepared, *parts])
