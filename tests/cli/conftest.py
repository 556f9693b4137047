"""A small frame store, and a run on it, for the tests of the command line."""

import pytest

from tests.cli.small import evaluate, prepared, train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with the store `mine`; tests read it."""
    return prepared(tmp_path_factory.mktemp("small"))


@pytest.fixture
def runs(data, tmp_path):
    """A folder of runs with one that was tested, `sprites`."""
    runs = tmp_path / "runs"
    assert train(data, runs).code == 0
    assert evaluate(data, runs).code == 0
    return runs
