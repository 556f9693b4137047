"""Freed memory is kept for the next tensor, unless the user chose otherwise, and where there is glibc."""

import os
import platform
import subprocess
import sys

import pytest

from strmctl.memory import CHOICES, HUGE_PAGES, keep_memory, return_memory

FAULTS = """
import os, resource, sys
from strmctl.memory import HUGE_PAGES, keep_memory, return_memory
if sys.argv[1] != "leave":
    keep_memory()
if sys.argv[1] == "return":
    return_memory()
def use():
    block = bytearray(1 << 26)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, os.environ.get(HUGE_PAGES))
"""


@pytest.fixture
def nothing_chosen(monkeypatch):
    for name in (*CHOICES, HUGE_PAGES):
        monkeypatch.delenv(name, raising=False)


def faults(words, **chosen):
    """Pages fetched anew for ten blocks of 64 MiB, one after the other, and torch's setting."""
    kept = {name: value for name, value in os.environ.items() if name not in (*CHOICES, HUGE_PAGES)}
    command = [sys.executable, "-c", FAULTS, words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=kept | chosen)
    pages, huge = ran.stdout.split()
    return int(pages), huge


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_what_is_freed_is_used_again():
    without, nothing = faults("leave")
    kept, huge = faults("keep")
    assert kept < without / 10 and (nothing, huge) == ("None", "1")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_large_blocks_are_returned_where_memory_is_short():
    without, returned = faults("leave")[0], faults("return")[0]
    assert returned > without / 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"])
def test_what_the_user_chose_stays(name):
    as_chosen, _ = faults("leave", **{name: "65536"})
    pages, huge = faults("keep", **{name: "65536"})
    assert pages > as_chosen / 2 and huge == "None"
    assert faults("keep", **{HUGE_PAGES: "0"})[1] == "0"


@pytest.mark.parametrize("answer", [None, "musl 1.2", "NetBSD"])
def test_with_another_c_library_nothing_changes(monkeypatch, nothing_chosen, answer):
    monkeypatch.setattr("ctypes.CDLL", None)
    monkeypatch.setattr(os, "confstr", lambda name: answer)
    keep_memory()
    return_memory()
    assert HUGE_PAGES not in os.environ


def test_without_an_answer_of_the_system_nothing_changes(monkeypatch, nothing_chosen):
    monkeypatch.setattr("ctypes.CDLL", None)
    monkeypatch.delattr(os, "confstr")
    keep_memory()
    return_memory()
    assert HUGE_PAGES not in os.environ
