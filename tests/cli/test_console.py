import re

import pytest

from strmctl.cli import console
from tests.terminal import on_terminal, screen


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_progress_in_a_pipe_is_plain_lines_with_rate_and_time_left(clock, capsys):
    with console.progress("embedding", "clips") as report:
        report(40, 100, "")  # done before a resume: does not count as fast work
        clock[0] += 5
        report(50, 100, "")
        clock[0] += 5
        report(60, 100, "loss 1.0")
        clock[0] += 20
        report(100, 100, "")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "embedding 60/100  2 clips/s, 20 s left  loss 1.0",
        "embedding 100/100  2 clips/s, 0 s left",
    ]


def test_a_second_stage_counts_its_own_rate(clock, capsys):
    with console.progress("prepare", "clips") as report:
        report(0, 10, "rendering")
        clock[0] += 1
        report(10, 10, "rendering")
        report(1, 10, "")
        clock[0] += 9
        report(10, 10, "")
    assert capsys.readouterr().err.splitlines() == [
        "prepare 10/10  10 clips/s, 0 s left  rendering",
        "prepare 10/10  1 clips/s, 0 s left",
    ]


def test_tables_are_plain_in_a_pipe_and_never_cut(capsys):
    title = "A [bold]title[/bold] that is longer than any terminal " * 4
    console.print_table(title, ["class", "%"], [["[red]Moving something up", 66.2], ["b", 5]])
    out, err = capsys.readouterr()
    lines = [line.rstrip() for line in out.splitlines()]
    assert err == ""
    assert lines[0] == title.rstrip()
    assert "\x1b" not in out
    assert any(line.startswith(" [red]Moving something up") and line.endswith("66.2") for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, words):
    assert console.duration(seconds) == words


def test_work_that_interrupts_other_work_does_not_count_as_its_time(clock, capsys):
    """Training takes a second an episode, its validation an hour."""
    with (
        console.progress("training", "episodes") as training,
        console.progress("validating", "clips", within=training) as validating,
    ):
        training(0, 40)
        for done in range(1, 41):
            clock[0] += 1
            training(done, 40)
            if done % 20 == 0:
                for clip in range(5):
                    validating(clip, 4)
                    clock[0] += 900
                validating(4, 4)
    lines = capsys.readouterr().err.splitlines()
    trained = [line for line in lines if line.startswith("training ")]
    assert trained[0] == "training 10/40  1 episodes/s, 30 s left"
    assert trained[-1] == "training 40/40  1 episodes/s, 0 s left"
    assert all("  1 episodes/s, " in line for line in trained)
    validated = [line for line in lines if line.startswith("validating ")]
    assert validated[0] == "validating 1/4  0.0011 clips/s, 45 min 0 s left" and len(validated) == 2 * 5


def test_short_work_that_interrupts_other_work_has_no_line_in_a_pipe(clock, capsys):
    with (
        console.progress("training", "episodes") as training,
        console.progress("validating", "clips", within=training) as validating,
    ):
        for done in range(4):
            validating(done, 3)
            clock[0] += 2
    assert capsys.readouterr().err == ""


SLOWLY = """
import time
from strmctl.cli import console
with (
    console.progress("training x", "episodes") as training,
    console.progress("validating", "clips", within=training) as validating,
):
    for done in range(5):
        training(done, 4, "loss 1.0")
        for clip in range(4 if done % 2 == 0 else 0):
            validating(clip, 3)
            time.sleep(0.12)
        if done % 2 == 0:
            console.say(f"episode {done}: validation")
"""


def test_on_a_terminal_validation_has_a_bar_of_its_own():
    """The bar of training stays a single line, however many batches and validations there are."""
    code, printed = on_terminal("-c", SLOWLY, columns=100)
    assert code == 0 and "validating" in printed, printed
    shown = [line for line in screen(printed) if line]
    assert shown[:3] == [f"episode {done}: validation" for done in (0, 2, 4)], shown
    assert re.fullmatch(r"training x ━+ 4/4 .* episodes/s, 0 s left  loss 1.0", shown[3]) and len(shown) == 4, shown
