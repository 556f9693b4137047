"""The notebook runs from its first cell to its last, and is kept without what it printed."""

import os
import re
from pathlib import Path

import pytest

from docs.generate.notebook import NOTEBOOK

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: `pip install -e '.[test]'`")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_it_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    accuracies = [float(number) for number in re.findall(r"\d-shot: ([\d.]+) ± ", said)]
    assert len(accuracies) == 2 and all(accuracy > 100 / 3 for accuracy in accuracies), said
    probabilities = [float(number) for number in re.findall(r"'(?:grow|drop)': ([\d.e-]+)", said)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert outputs[-1].data["image/png"]
    assert "error: " not in said
