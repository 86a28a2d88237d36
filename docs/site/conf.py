"""How the pages are built: `make docs`, from the repository's root, without any network.

The source folder is the whole repository, of which only the pages below are read. So a link from
one page to another is the same on this site and where the repository itself is read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]

from public_pages import notebook_key  # noqa: E402

import kshot_viz  # noqa: E402

project = "kshot_viz"
author = "the kshot_viz developers"
copyright = f"{author}, MIT licence"
version = release = kshot_viz.__version__

root_doc = "docs/site/index"
include_patterns = [
    "docs/site/reference/*.rst",
    "docs/*.md",
    "docs/results/*.md",
    "docs/site/*.md",
    "docs/site/reference/*.md",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [".*", "**/.*", "runs", "site", "dist"]
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "public_pages",
]

# ---- pages -----------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
# The anchors of headings are those that GitHub makes.
myst_heading_anchors = 4
suppress_warnings: list[str] = []

# Blocks without a language are printed tables and sentences, not code.
highlight_language = "text"

# ---- notebooks -------------------------------------------------------------------------------

# Committed notebooks hold no outputs. "off" shows them without, for a quick look at the text.
nb_execution_mode = os.environ.get("KSHOT_DOCS_NOTEBOOKS", "cache")
# What ran is taken again as long as neither the notebook nor the package has changed.
nb_execution_cache_path = str(ROOT / "site" / "cache" / notebook_key(ROOT / "kshot_viz"))
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
# The usual loader of widgets comes from another server; `live_widgets.js` does with what is here.
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

# ---- reference -------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "inherited-members": False}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# ---- looks -----------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "kshot_viz"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["live_widgets.js"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "kshot_viz"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "show_nav_level": 1,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"docs/site/start": [], "docs/site/citing": []}
# Prompts of examples are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
