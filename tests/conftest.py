"""The small world, made once per session; and one thread: the same numbers on any machine, and no waiting threads."""

import os
import shutil

import pytest
import torch

from strmctl.cli import main
from strmctl.frames.store.store import FrameStore
from strmctl.threads import LOADERS
from tests.browser import Browser, program
from tests.small_world import evaluate, prepared, snapshot, train

torch.set_num_threads(1)
main.keep_memory = lambda: None  # the many commands of this process would never give any back
os.environ["OMP_NUM_THREADS"] = "1"  # of commands in processes of their own


@pytest.fixture(autouse=True)
def one_thread():
    """Gives the next test one thread again, whatever this one's commands computed with."""
    yield
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop(LOADERS, None)


@pytest.fixture(autouse=True)
def on_the_processor(request, monkeypatch):
    """Hides GPUs from all tests but those that are marked `gpu`."""
    if "gpu" not in request.keywords:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder with the store `mine`, which tests only read."""
    folder = prepared(tmp_path_factory.mktemp("small"))
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before, "a test has written to the data that all tests share"


@pytest.fixture
def own_data(data, tmp_path):
    """A copy of the data folder that a test may damage."""
    return shutil.copytree(data, tmp_path / "own data")


@pytest.fixture
def store(data):
    """The frame store `mine`."""
    return FrameStore.open(data, "mine")


@pytest.fixture(scope="session")
def trained_runs(data, tmp_path_factory):
    """A folder of runs with one that was trained and tested, `sprites`; tests take a copy: `runs`."""
    runs = tmp_path_factory.mktemp("trained") / "runs"
    for ran in (train(data, runs), evaluate(data, runs)):
        assert ran.code == 0, ran.err
    return runs


@pytest.fixture
def runs(trained_runs, tmp_path):
    """A copy of the folder of runs that a test may write to."""
    return shutil.copytree(trained_runs, tmp_path / "runs", symlinks=True)


@pytest.fixture
def reads(monkeypatch):
    """The clips that were read, one after another."""
    found, read = [], FrameStore.read

    def recorded(store, clip, positions):
        found.append(clip)
        return read(store, clip, positions)

    monkeypatch.setattr(FrameStore, "read", recorded)
    return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Chromium without a window."""
    if program() is None:
        pytest.skip("no Chromium is installed: Debian's package is chromium-headless-shell")
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()
