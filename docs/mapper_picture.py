"""Run the first example of docs/topology.md and keep its picture in docs/pictures.

python docs/mapper_picture.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent

if __name__ == "__main__":
    example, *_ = re.findall(
        r"```python\n(.*?)```", (DOCS / "topology.md").read_text("utf-8"), re.DOTALL
    )
    os.chdir(DOCS / "pictures")
    exec(compile(example, "docs/topology.md", "exec"), {})
    print((DOCS / "pictures" / "mapper.png").relative_to(DOCS.parent))
