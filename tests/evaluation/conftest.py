import pytest

from strmctl.frames.store.store import FrameStore


@pytest.fixture
def reads(monkeypatch):
    """The clips that were read, one after another."""
    found, read = [], FrameStore.read

    def recorded(store, clip, positions):
        found.append(clip)
        return read(store, clip, positions)

    monkeypatch.setattr(FrameStore, "read", recorded)
    return found
