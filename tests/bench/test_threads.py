"""`strmctl bench threads`: rates of real processes, set up in different ways, as a table."""

import os

import pytest

from strmctl.bench import threads
from strmctl.report.terminal import benchmarks
from strmctl.threads import CHOICES, SPINS

SEEN = ("OMP_NUM_THREADS", *CHOICES)


def variables(seconds):
    """Stands for a measurement: what the process was set up with, as a number."""
    assert seconds == 0.5
    seen = {name: os.environ[name] for name in SEEN if name in os.environ}
    return [{}, SPINS, {"OMP_NUM_THREADS": "1"}].index(seen)


def test_each_way_is_a_process_with_its_own_environment(monkeypatch):
    monkeypatch.setattr(threads, "available_cpus", lambda: 1)
    monkeypatch.setattr(threads, "steps_per_second", variables)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    reports = []
    found = threads.bench_threads(seconds=0.5, repeats=1, progress=lambda *report: reports.append(report))
    rates = {"as strmctl does": 1, "OpenMP's default": 0, "one thread": 2}
    assert found["steps_per_second"] == {way: {"0": rate, "1": rate} for way, rate in rates.items()}
    assert reports[-1] == (6, 6, "") and [report[0] for report in reports] == list(range(7))
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.slow
def test_training_steps_are_counted():
    assert 0 < threads.steps_per_second(0.1) < 1000


def test_the_table_holds_rates_and_ratios_to_one_thread():
    rates = {"as strmctl does": {"0": 15.0, "1": 7.7}, "one thread": {"0": 10.0, "1": 11.0}}
    columns, rows = benchmarks.threads({"steps_per_second": rates})
    assert columns == ["", "beside 0 busy", "beside 1 busy"]
    assert rows == [["as strmctl does", "15.0  1.50", "7.7  0.70"], ["one thread", "10.0  1.00", "11.0  1.00"]]
