import pytest

from tests.frames.check.test_check import make_store


@pytest.fixture
def folder(tmp_path):
    """A store that has nothing wrong."""
    return make_store(tmp_path)
