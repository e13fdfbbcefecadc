"""Start programs in a fork of a process that has loaded their modules.

Loading takes seconds, and tests start hundreds of programs. Otherwise the program runs as usual: a
process with its own environment, input and output.
"""

import multiprocessing
import os
import runpy
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

PATIENCE_S = 60.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["tests.support.pipeline.forking", "tests.support.pipeline.preloaded"]
)
_STATUSES = threading.Lock()
"""Held while exit statuses are read. Starting a process reads those of all that have ended, and of
two threads that read the same one, the second gets 255 instead."""


@dataclass(frozen=True)
class Program:
    """`python path words` in `folder`; its output is appended to the files `out` and `err`."""

    path: Path
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    stdin: Path = Path(os.devnull)
    out: Path = Path("stdout")
    err: Path = Path("stderr")

    def start(self) -> BaseProcess:
        """Start the program; returns at once."""
        process = _FORKS.Process(target=_run_as, args=(self,))
        with _STATUSES:
            process.start()
        return process

    def run(self) -> int:
        """Run the program; returns its exit status."""
        process = self.start()
        if not wait([process.sentinel], PATIENCE_S):
            process.kill()
            process.join()
            command = f"{self.path.name} {' '.join(self.words)}"
            raise TimeoutError(f"{command} didn't end within {PATIENCE_S} s")
        with _STATUSES:
            process.join()
        assert process.exitcode is not None
        return process.exitcode


def _run_as(program: Program) -> None:
    """Turn the forked process into the program."""
    os.chdir(program.folder)
    streams = ((program.stdin, "r"), (program.out, "a"), (program.err, "a"))
    for number, (path, mode) in enumerate(streams):
        with open(path, mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the program runs
    os.environ.clear()
    os.environ.update(program.environment)
    sys.argv = [str(program.path), *program.words]
    runpy.run_path(str(program.path), run_name="__main__")
