"""Freed memory is kept for the next tensor, unless the user chose otherwise, and where there is glibc."""

import os
import platform
import subprocess
import sys

import pytest

from strmctl.memory import CHOICES, HUGE_PAGES, free_bytes, keep_memory, machine_bytes, return_memory
from tests.system import system

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


MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
FREE = 6 << 20  # bytes, as the system says


@pytest.mark.parametrize(
    ("groups", "files", "limit", "free"),
    [
        ("", {}, MACHINE, FREE),
        ("0::/\n", {"memory.max": "max\n", "memory.current": "9\n"}, MACHINE, FREE),
        ("0::/\n", {"memory.max": "5000\n", "memory.current": "1000\n"}, 5000, 4000),
        (
            "0::/job\n",
            {
                "job/memory.max": "5000\n",
                "job/memory.current": "4500\n",
                "job/memory.stat": "anon 7\ninactive_file 1500\nslab 3\n",
                "memory.max": "9000\n",
                "memory.current": "9500\n",  # the one above is full
            },
            5000,
            0,
        ),
        ("0::/\n", {"memory.max": f"{MACHINE * 2}\n", "memory.current": "1\n"}, MACHINE, FREE),
        (
            "9:memory:/task\n4:cpu:/task\n0::/\n",
            {
                "memory/task/memory.limit_in_bytes": "7000\n",
                "memory/task/memory.usage_in_bytes": "6000\n",
                "memory/task/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": "6000\n",
            },
            7000,
            3000,
        ),
        ("0::/\n", {"memory.max": "little\n", "memory.current": ""}, MACHINE, FREE),
    ],
)
def test_memory_is_what_the_control_groups_leave_of_the_machine_s(tmp_path, groups, files, limit, free):
    root = system(tmp_path, groups, files)
    (root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable: {FREE >> 10} kB\n")
    assert (machine_bytes(root), free_bytes(root)) == (limit, free)


def test_where_the_system_says_nothing_of_free_memory_nothing_is_known(tmp_path):
    assert free_bytes(tmp_path) is None and machine_bytes(tmp_path) == MACHINE
