"""The notebook as a page: its texts and code, with what they printed."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[1] / "first_steps.ipynb"


def notebook() -> str:
    """The cells of the notebook, one after the other."""
    parts = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts)


GENERATED = {"notebook": notebook}
