import pytest

from strmctl.cli import console


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
