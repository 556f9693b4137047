"""A pytest plugin for continuous integration, loaded by `.ci/run`: a skipped test is a failed one.

Otherwise a machine without `bsdtar` would pass while it tests no download at all. Only what a machine cannot help may
be skipped there: its hardware, its operating system, the rights of its user, files that are no part of the repository.
"""

import re

import pytest

ALLOWED = re.compile(
    r"GPU|CUDA"
    r"|/proc|/sys"
    r"|the rights of root|no file system can be mounted"
    r"|the real videos in \.\./shared/videos are not here"
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Fails a test that was skipped."""
    return failed((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    """Fails a file that was skipped as a whole."""
    return failed((yield))


def failed(report):
    """The report, failed when it is of a skip that is not allowed."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not ALLOWED.search(reason):
            report.outcome, report.longrepr = "failed", f"{reason}\nNothing may be skipped here: see tests/no_skips.py."
    return report
