"""What the site needs beyond Sphinx: small states of widgets, readable defaults, a first page."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes

# Views whose browser's side works alone; of all others the cell keeps a picture.
LIVE = {"NeuronMap", "SimilarityMatrix", "MapperCanvas", "PrototypeCanvas"}
STATE = "ipywidgets_state"
FIRST_PAGE = """<!doctype html>
<meta charset="utf-8"><title>kshot_viz</title>
<meta http-equiv="refresh" content="0; url={target}">
<p><a href="{target}">kshot_viz</a></p>
"""


def notebook_key(package: Path) -> str:
    """Return a name for the state of the package's sources: notebooks run anew when it changes."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def small_state(body: str) -> str:
    """Keep of a notebook's widgets the live views, and what leads to them.

    Pictures and tables of a dashboard are most of its state, and show nothing without a kernel.
    """
    record = json.loads(body)
    states = record["state"]
    kept = {key: _kept(one) for key, one in states.items()}
    record["state"] = {key: one for key, one in kept.items() if one is not None}
    # As in the page's own scripts: no text may end the element early.
    return json.dumps(record).replace("<", "\\u003c")


def _kept(model: dict[str, Any]) -> dict[str, Any] | None:
    state = model["state"]
    if re.sub(r".*\.", "", state.get("_anywidget_id", "")) in LIVE:
        return model
    if "children" in state:
        return {**model, "state": {"children": state["children"]}, "buffers": []}
    return None


def _shrink(app: Any, env: Any) -> list[str]:
    for page in getattr(env, "nb_metadata", {}).values():
        found = page.get("js_files", {}).get(STATE)
        if found:
            found[1]["body"] = small_state(found[1]["body"])
    return []


def _described(app: Any, tree: Any) -> None:
    """Say of a notebook's pictures what they are, instead of the name of a file."""
    for image in tree.findall(nodes.image):
        image.setdefault("alt", "Picture made by the cell above")


def _signature(app: Any, *given: Any) -> tuple[str | None, str | None]:
    """Show a default that is made anew as "...": Sphinx cannot read what Python prints for it."""
    signature, returns = given[-2:]
    return signature and signature.replace("<factory>", "..."), returns


def _first_page(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        text = FIRST_PAGE.format(target=f"{app.config.root_doc}.html")
        (Path(app.outdir) / "index.html").write_text(text, "utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Register all of it with Sphinx."""
    app.connect("env-updated", _shrink)
    app.connect("doctree-read", _described)
    app.connect("autodoc-process-signature", _signature)
    app.connect("build-finished", _first_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
