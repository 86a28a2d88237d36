"""Run the first examples of two pages and keep their pictures in docs/pictures.

python docs/example_pictures.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGES = ("topology.md", "inside.md")

if __name__ == "__main__":
    os.chdir(DOCS / "pictures")
    for page in PAGES:
        text = (DOCS / page).read_text("utf-8")
        example, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        exec(compile(example, page, "exec"), {})
