"""Versions in a result's provenance come from the modules: a package may be called otherwise, or be missing."""

import importlib.metadata
import json
import sys

import cv2
import pytest
import torch

from strmctl import provenance
from tests.small_world import evaluate, train


@pytest.fixture(autouse=True)
def renamed(monkeypatch):
    """No package has the name that it has on the index, as with opencv-python-headless or conda's packages."""

    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", unknown)
    monkeypatch.setattr(importlib.metadata, "distribution", unknown)
    provenance.version.cache_clear()
    yield
    provenance.version.cache_clear()


def test_a_module_that_is_missing_or_broken_has_no_version(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delattr(cv2, "__version__")
    found = provenance.provenance()["libraries"]
    assert set(found) == set(provenance.LIBRARIES)
    assert found["torch"] == torch.__version__ and found["pandas"] is None and found["opencv"] is None


def test_training_and_evaluation_ask_no_package(data, tmp_path):
    assert train(data, tmp_path).code == 0
    assert evaluate(data, tmp_path).code == 0
    result = json.loads(next(tmp_path.glob("*/eval/*.json")).read_text())
    assert result["provenance"]["libraries"]["opencv"] == cv2.__version__
    assert all(result["provenance"]["libraries"].values())
