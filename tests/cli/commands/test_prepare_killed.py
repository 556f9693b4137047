"""Kill -9 at any moment, then the same command: the store is that of a run that nobody disturbed, byte for byte."""

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strmctl.cli.main import main
from strmctl.frames.store.clip_zip import FRAMES
from strmctl.frames.store.manifest import JOURNAL, MANIFEST, read_manifest
from strmctl.frames.store.settings import SETTINGS
from strmctl.frames.store.shards import SHARDS
from tests.videos_for_tests import strmctl, write_video

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="kills by signals and forks")]

ROOT = Path(__file__).parents[3]
NAMED = ("--name", "x", "--size", "32")
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "tempfile.mkstemp")  # audit events


def tree(folder):
    """Path below the folder -> digest of a file, or nothing for a folder; all of them, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def write_data_set(folder, clips, frames=16, size=(64, 48)):
    """Two class folders of videos, and of what only claims to be one."""
    for seed in range(clips):
        write_video(folder / f"class {seed % 2}" / f"{seed}.mp4", frames=frames, size=size, seed=seed)
    (folder / "class 1" / "text.avi").write_text("text")
    cut = write_video(folder / "class 1" / "cut.avi", frames=12, codec="MJPG")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    return folder


def counted(journal):
    """Clips in a journal."""
    return len(journal.read_bytes().split(b"\n[")) - 1 if journal.is_file() else 0


def left_of(session):
    """Processes of a session that are at work."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, own = stat.read_text(errors="replace").rpartition(")")[2].split()[:4]
            found += [stat.parent.name] if int(own) == session and state not in "ZX" else []
    return found


class Run:
    """A run of the command line in processes of its own; it writes a store, or a shard in it, with a journal."""

    def __init__(self, words, store, shard=""):
        self.store, self.journal = store, store / shard / JOURNAL
        self.at_start = counted(self.journal)
        command = [sys.executable, "-m", "strmctl", *map(str, words), "--data", str(store.parent)]
        # a session of its own tells which processes are its
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    @property
    def ended(self):
        """Whether it has come to its end."""
        return self._process.poll() is not None

    def wait_for(self, condition):
        """Waits until it is so, or the run has ended."""
        deadline = time.monotonic() + 60
        while not (condition() or self.ended):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def end_well(self):
        """Waits for the end; it must be a good one."""
        _, said = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, said.decode()

    def kill(self):
        """Kills the first process of it with SIGKILL; all others must end by themselves.

        Returns:
            `missed`: it had ended before; `early`: it had not begun to work, `late`: all clips were done; `work`.
        """
        if self.ended:
            self.end_well()
            return "missed"
        begun, ended = self.journal.is_file(), (self.journal.parent / MANIFEST).is_file()
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=30)  # its workers share stderr: it is at its end when they have ended
        assert self._process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 10
        while left := left_of(self._process.pid):
            assert time.monotonic() < deadline, left
            time.sleep(0.01)
        return "late" if ended else "work" if begun else "early"


def run_in_child(words, die_at=None):
    """Runs the command line in a copy of this process, which dies before it changes files for the `die_at`-th time.

    Returns:
        Whether it was killed; else it has to end well.
    """
    child = os.fork()
    if not child:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        if die_at is not None:
            sys.addaudithook(killer(die_at))
        try:
            main(words)
        except SystemExit as end:
            os._exit(end.code or 0)
        finally:
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, words
        return True
    assert os.WEXITSTATUS(status) == 0, words
    return False


def killer(die_at):
    """An audit hook that kills this process at one of its changes of files."""
    moments = itertools.count(1)

    def hook(event, values):
        writes = event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (writes or event in CHANGES) and next(moments) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def kill_at_each_change(folder, before, words):
    """To be called in a process without threads: kills a command at each of its changes of files, and runs it again.

    Writes to stdout how many moments there were; whatever differs from an undisturbed store is an error.

    Args:
        folder: becomes the data folder of the command.
        before: commands that lead up to it, undisturbed.
        words: the command.
    """
    commands = [[*command, "--data", str(folder), "--workers", "1"] for command in before]
    words = [*words, "--data", str(folder), "--workers", "1"]
    for command in commands:
        assert strmctl(*command).code == 0
    start = folder.with_name("start")
    if commands:
        shutil.copytree(folder, start)
    assert strmctl(*words).code == 0  # in this process, so that no copy of it has to import anything
    undisturbed, moment, wrong = tree(folder), 1, []
    while True:
        shutil.rmtree(folder)
        if commands:
            shutil.copytree(start, folder)
        killed = run_in_child(words, die_at=moment)
        if not killed:
            break
        try:
            run_in_child(words)
        except AssertionError as error:
            wrong.append(f"moment {moment}: {error}")
        if (after := tree(folder)) != undisturbed:
            wrong.append(f"moment {moment}: {sorted(after.items() ^ undisturbed.items())}")
        moment += 1
    assert tree(folder) == undisturbed
    sys.stdout.write(f"{moment - 1}\n")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("before", "words", "fewest"),
    [
        ([], [], 25),
        ([], ["--frames", "8"], 25),
        ([[]], [], 12),
        ([[]], ["--redo"], 30),
        ([], ["--shard", "1/2"], 15),
        ([["--shard", "1/2"], ["--shard", "2/2"]], ["--merge"], 12),
    ],
    ids=["all frames", "8 frames", "nothing to do", "redo", "shard", "merge"],
)
def test_killed_at_each_change_of_a_file(tmp_path, before, words, fewest):
    videos = write_data_set(tmp_path / "videos", 2)
    commands = [["prepare", f"{videos}/", *NAMED, *more] for more in (*before, words)]
    code = (
        "from tests.cli.commands.test_prepare_killed import *\n"
        f"kill_at_each_change(Path({str(tmp_path / 'data')!r}), {commands[:-1]!r}, {commands[-1]!r})"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= fewest


@pytest.mark.parametrize(
    ("words", "shard", "kills"),
    [([], "", 12), (["--frames", "8"], "", 4), (["--shard", "1/2"], f"{SHARDS}/1-of-2", 4)],
    ids=["all frames", "8 frames", "shard"],
)
def test_killed_at_random_moments(tmp_path, words, shard, kills):
    draws = random.Random(6)
    videos = write_data_set(tmp_path / "videos", 60, frames=60, size=(160, 120))
    words = ["prepare", f"{videos}/", *NAMED, "--workers", "2", *words]
    start, undisturbed = time.monotonic(), Run(words, tmp_path / "undisturbed" / "x", shard)
    undisturbed.wait_for(undisturbed.journal.is_file)
    start_up = time.monotonic() - start  # seconds
    undisturbed.end_well()
    clips = len(read_manifest(undisturbed.journal.parent))

    def kill_while_it_starts():
        time.sleep(draws.uniform(0, start_up))

    def kill_at_work():
        more = draws.randint(0, 6)  # clips
        run.wait_for(lambda: counted(run.journal) > run.at_start + more)
        time.sleep(draws.uniform(0, 0.02))

    def kill_at_the_end():
        run.wait_for(lambda: counted(run.journal) > 0)
        run.wait_for(lambda: (run.journal.parent / MANIFEST).is_file() or counted(run.journal) >= clips)
        time.sleep(draws.uniform(0, 0.1))

    waiting, outcomes = [kill_while_it_starts, *[kill_at_work] * (kills - 3)], []
    draws.shuffle(waiting)
    waiting += [kill_at_the_end] * 2
    for moment in waiting:
        store = tmp_path / "killed" / "x"
        if (store / shard / MANIFEST).is_file():  # all was done: something has to be to do
            next(store.rglob("*.zip")).unlink()
        run = Run(words, store, shard)
        moment()
        outcomes.append(run.kill())
        assert len(outcomes) < 40
        waiting += [moment] if outcomes[-1] == "missed" else []
    assert len(outcomes) - outcomes.count("missed") == kills and outcomes.count("work") > 0, outcomes
    Run(words, run.store, shard).end_well()
    assert tree(run.store) == tree(undisturbed.store)
    assert shard or {path.name for path in run.store.iterdir()} == {FRAMES, MANIFEST, SETTINGS}
