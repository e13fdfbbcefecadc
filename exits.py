"""How a process of ours ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from models.errors import PipelineError, WrongVariables


def leave(status: int) -> NoReturn:
    """End the process without taking the interpreter down first.

    A thread of the SDK's may still deliver an answer while the interpreter ends, which aborts the
    process (sdk-python issue 300): a command that did its work would exit with a crash.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def exit_status(error: PipelineError) -> int:
    """2: environment variables are wrong; 1: anything else."""
    return 2 if isinstance(error, WrongVariables) else 1


@contextmanager
def reported_exit() -> Iterator[None]:
    """An error of ours that leaves the block ends the process: its sentence, no traceback."""
    try:
        yield
    except PipelineError as error:
        print(error.message, file=sys.stderr)
        leave(exit_status(error))
