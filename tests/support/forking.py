"""Programs that start in a copy of a process that has loaded what they need.

Loading costs a second each time, and tests start the command line a hundred times. What the program
itself does is the same: a process of its own, with its own environment, input and output.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 60.0
LOADED = ["activities.reading", "intake", "models.settings", "tests.support.forking", "typer"]
"""Modules that make nothing of the environment and of what is a terminal when they are loaded."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(LOADED)


def run_program(
    program: Path, words: Sequence[str], environment: Mapping[str, str], folder: Path
) -> int:
    """Run a Python program; what it reads and writes are `stdin`, `stdout`, `stderr` in `folder`.
    Returns its exit status."""
    process = _FORKS.Process(
        target=_become, args=(str(program), list(words), dict(environment), str(folder))
    )
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"{program.name} {' '.join(words)} didn't end in {PATIENCE_S} s")
    return process.exitcode


def _become(program: str, words: list[str], environment: dict[str, str], folder: str) -> None:
    """In the copy: be `python program words`."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        with open(os.path.join(folder, name), mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the program runs
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *words]
    runpy.run_path(program, run_name="__main__")
