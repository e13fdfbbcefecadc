"""Programs that start in a copy of a process that has loaded what they need.

Loading costs seconds each time, and tests start programs some hundred times. What a program itself
does is the same: a process of its own, with its own environment, input and output.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PATIENCE_S = 60.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.forking", "tests.support.preloaded"])


@dataclass(frozen=True)
class Program:
    """`python path words`, in `folder`; what it writes is added to the files `out` and `err`."""

    path: Path
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    stdin: Path = Path(os.devnull)
    out: Path = Path("stdout")
    err: Path = Path("stderr")

    def start(self) -> BaseProcess:
        """Start it; returns at once."""
        process = _FORKS.Process(target=_become, args=(self,))
        process.start()
        return process

    def run(self) -> int:
        """Run it to its end; returns its exit status."""
        process = self.start()
        process.join(PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            what = f"{self.path.name} {' '.join(self.words)}"
            raise TimeoutError(f"{what} didn't end in {PATIENCE_S} s")
        return process.exitcode


def _become(program: Program) -> None:
    """In the copy: be the program."""
    os.chdir(program.folder)
    given = ((program.stdin, "r"), (program.out, "a"), (program.err, "a"))
    for number, (path, mode) in enumerate(given):
        with open(path, mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the program runs
    os.environ.clear()
    os.environ.update(program.environment)
    sys.argv = [str(program.path), *program.words]
    runpy.run_path(str(program.path), run_name="__main__")
