"""Threads: as many as there are free cores, set up before torch is imported, unless the user decides."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from strmctl.cli.main import COMMANDS, main
from strmctl.evaluation import embed
from strmctl.threads import LOADERS, MOST_LOADERS, available_cpus, loader_threads
from tests.small_world import evaluate, refused, strmctl
from tests.system import system

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, CORES),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("0::/not/seen/here\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/../../outside\n", {"cpu.max": "100000 100000\n"}, 1),
        (
            "4:cpu,cpuacct:/job\n1:memory:/\n0::/\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "50000\n"},
            1,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, CORES),
        ("0::/\n", {"cpu.max": ""}, CORES),
        ("0::/\n", {"cpu.max": "many few\n"}, CORES),
        ("nonsense\n\n", {}, CORES),
        ("", {}, CORES),
    ],
)
def test_cores_are_those_within_the_quota_of_the_control_groups(tmp_path, groups, files, expected):
    assert available_cpus(system(tmp_path, groups, files)) == expected


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert available_cpus(tmp_path) == CORES


@pytest.mark.parametrize(
    ("cores", "variables", "expected"),
    [
        (2, {}, 2),
        (64, {}, MOST_LOADERS),
        (64, {"LOCAL_WORLD_SIZE": "8"}, 8),  # torchrun: all processes have all cores
        (64, {"LOCAL_WORLD_SIZE": "2"}, MOST_LOADERS),
        (2, {"LOCAL_WORLD_SIZE": "4"}, 1),
        (64, {"SLURM_CPUS_PER_TASK": "6"}, 6),
        (6, {"SLURM_CPUS_PER_TASK": "64"}, 6),
        (64, {"SLURM_CPUS_PER_TASK": "32", "LOCAL_WORLD_SIZE": "4"}, 8),  # torchrun in a task
        (64, {"SLURM_CPUS_PER_TASK": "", "LOCAL_WORLD_SIZE": "0"}, MOST_LOADERS),
        (64, {"LOCAL_WORLD_SIZE": "many"}, MOST_LOADERS),
        (2, {LOADERS: "40"}, 40),
        (2, {LOADERS: "none"}, 2),
    ],
)
def test_frames_are_read_by_a_process_s_share_of_the_cores_unless_the_user_decides(
    monkeypatch, cores, variables, expected
):
    monkeypatch.setattr("strmctl.threads.available_cpus", lambda: cores)
    for name in ("LOCAL_WORLD_SIZE", "SLURM_CPUS_PER_TASK", LOADERS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert loader_threads() == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_how_threads_wait_is_decided_before_torch_is_imported_unless_the_user_chose(chosen, expected):
    code = """if True:
        import contextlib, os, sys
        from strmctl.cli.main import main
        with contextlib.suppress(SystemExit):
            main(["recipe", "ls"])
        assert "torch" not in sys.modules
        print(os.environ.get("GOMP_SPINCOUNT"))"""
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    ran = subprocess.run([sys.executable, "-c", code], env=kept | chosen, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == str(expected)


@pytest.mark.parametrize(
    ("words", "chosen", "expected"), [(["--threads", "1"], "2", 1), ([], "1", 1), ([], "2", min(2, CORES))]
)
def test_a_test_computes_with_the_threads_asked_for(data, runs, words, chosen, expected):
    command = [sys.executable, "-m", "strmctl", "eval", "--data", data, "--runs", runs, "--episodes", "5", "--json"]
    more = ["--shots", "1", "--way", "2", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": chosen}
    ran = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["provenance"]["threads"] == expected


def test_every_command_that_runs_a_model_takes_a_number_of_threads():
    commands = {name: main.get_command(None, name) for name in COMMANDS}
    has = {name for name, command in commands.items() if {"device", "threads"} <= {p.name for p in command.params}}
    assert has == {name for name, command in commands.items() if "device" in {p.name for p in command.params}} != set()


def test_no_threads_is_an_error_of_use():
    ran = strmctl("eval", "--threads", 0)
    assert ran.code == 2 and "--threads" in ran.err


def test_a_test_reads_with_the_threads_asked_for(data, runs, monkeypatch):
    asked = []
    monkeypatch.setattr(embed, "ThreadPoolExecutor", lambda count: asked.append(count) or ThreadPoolExecutor(count))
    monkeypatch.setattr("strmctl.threads.available_cpus", lambda: 3)
    for words, count in (((), 3), (("--loader-threads", 5), 5)):
        for cache in (runs / "sprites" / "cache").glob("*/"):
            shutil.rmtree(cache)
        assert evaluate(data, runs, *words).code == 0
        assert asked.pop() == count and not asked
    monkeypatch.setenv(LOADERS, "none")
    refused(evaluate(data, runs), 2, "--loader-threads")
