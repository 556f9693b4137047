"""In continuous integration a skip is a failure, but for what a machine cannot help."""

import re
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="bsdtar is not installed")
def test_missing_program():
    pass

def test_missing_package():
    pytest.importorskip("no_such_package")

@pytest.mark.skipif(True, reason="needs a CUDA device")
def test_no_gpu():
    pass

def test_no_rights():
    pytest.skip("mounting needs the rights of root")

@pytest.mark.xfail
def test_expected_failure():
    raise ValueError
"""


def test_a_skip_fails_unless_the_machine_cannot_help_it(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_file.py").write_text('import pytest\npytest.importorskip("no_such_package")\n')
    words = ["-m", "pytest", "-vrN", "-c", "/dev/null", "-p", "tests.no_skips", "--continue-on-collection-errors"]
    command = [sys.executable, *words, tmp_path]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert dict(re.findall(r"::(test_\w+) ([A-Z]+)", ran.stdout)) == {
        "test_missing_program": "ERROR",
        "test_missing_package": "FAILED",
        "test_no_gpu": "SKIPPED",
        "test_no_rights": "SKIPPED",
        "test_expected_failure": "XFAIL",
    }, ran.stdout
    assert "1 failed, 2 skipped, 1 xfailed, 2 errors" in ran.stdout  # an error: the file that is skipped as a whole
    assert ran.stdout.count("see tests/no_skips.py") == 3
