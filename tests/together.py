"""Several processes that are ranks of one command, over Gloo on the CPU, as torchrun starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAIN = "from strmctl.cli.main import main; main()"


def environment(rank, count, port):
    """Variables of a process that is a rank."""
    named = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {name: str(value) for name, value in named.items()} | {"PYTHONPATH": path}


def free_port():
    """A port that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(count, *words, code=MAIN):
    """Processes with the same words of a command line, by rank."""
    port = free_port()
    command = [sys.executable, "-c", code, *map(str, words)]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, env=environment(rank, count, port), **how) for rank in range(count)]


def ended(processes):
    """What each has said, `(stdout, stderr)`, and its exit code."""
    return [(process.communicate(timeout=900), process.returncode) for process in processes]
