"""The end of a process: exit status and error message."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from models.errors import InvalidSettings, PipelineError


def exit_process(status: int) -> NoReturn:
    """End the process without finalising the interpreter.

    A thread of the SDK may still deliver a result while the interpreter ends, which aborts the
    process (sdk-python issue 300): a command that succeeded would then exit with a crash.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def exit_status(error: PipelineError) -> int:
    """Return the exit status of an error: 2 for wrong environment variables, else 1."""
    return 2 if isinstance(error, InvalidSettings) else 1


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the process if a PipelineError leaves the block; print its message, no traceback."""
    try:
        yield
    except PipelineError as error:
        print(error.message, file=sys.stderr)
        exit_process(exit_status(error))
